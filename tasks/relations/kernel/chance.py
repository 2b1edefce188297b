"""How likely a relation is a coincidence: the lake-wide heuristic of containment, for maps and unions.

Per column of the child, the share of the columns under other names (its own, and the one it is mapped to, left out)
that hold its values too; a renamed column's is multiplied by the number of columns it could have been mapped to.
Over several columns the product, times the density of the parents' rows to the power of the child's rows.
Whoever combines it multiplies it by the ways in which the parents could have been chosen: the
tables of the lake for a map, the subsets of the candidates for a union. It is a heuristic, shown with its parts.
"""

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.min_max import ColumnBounds
from lakebed.tasks.containment.kernel.schema_graph import Int64
from lakebed.tasks.relations.kernel.columns import ColumnSamples, count_containing

Float64 = NDArray[np.float64]


def mapped_chances(
    bounds: ColumnBounds, samples: ColumnSamples, columns: Int64, targets: Int64, share: float = 1.0
) -> Float64:
    """Chance of each column to be held by its target by accident, (k,): between 0 and 1.

    Shapes: columns, targets (k,) entries.
    """
    n_containing, n_compared = count_containing(bounds, samples, columns, targets, share)
    chances = (1 + n_containing) / (1 + n_compared)
    is_renamed = bounds.token[columns] != bounds.token[targets]
    table = np.searchsorted(bounds.indptr, targets, side="right") - 1
    n_choices = np.where(is_renamed, np.diff(bounds.indptr)[table], 1)
    found: Float64 = np.minimum(1.0, chances * n_choices)
    return found

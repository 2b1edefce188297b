"""Columns as the scan of the lake graph brings them, without Spark."""

import pyarrow as pa

from lakebed.tasks.lakegraph.kernel.folding import fold_values
from lakebed.tasks.lakegraph.kernel.samples import FloatRule, sample_values
from lakebed.tasks.lakegraph.kernel.values import LakeColumn

N_KEPT = 1 << 16


def lake_column(table: str, name: str, values: pa.Array, place: int = 0) -> LakeColumn:
    """A column with its values, exact and folded."""
    sample, folded = sample_values(values, N_KEPT, FloatRule("exact")), fold_values(values, N_KEPT)
    return LakeColumn(table, (name,), sample, folded=folded, position=place, n_rows=len(values))

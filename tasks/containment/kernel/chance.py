"""How likely a containment is a coincidence: an empirical, lake-wide heuristic.

Per column of the child: of the columns of the same type class under *another* name, the share that contain the
child's values too. A column of small integers lies inside many others; a
column of identifiers inside none. Over several columns the product, times the density of the parent's rows in
the product of its columns' values, to the power of the child's rows. It is a heuristic, shown with its parts.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.min_max import ColumnBounds
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64

UInt64 = NDArray[np.uint64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class ValueSketches:
    """Value samples of the columns that were read.

    Shapes: indptr (n_columns + 1,) aligned with `ColumnBounds.token`, hashes (Σ,) ascending within a column,
    level (n_columns,) of each column's sample, -1 where the column was not read.
    """

    indptr: Int64
    hashes: UInt64
    level: Int32

    def n_distinct(self) -> Float64:
        """Estimated distinct values of each column, exact at level 0; (n_columns,)."""
        return np.diff(self.indptr) * np.exp2(np.maximum(self.level, 0))


@dataclass(frozen=True)
class Chance:
    """The score of one edge and its parts.

    Attributes:
        chance: between 0 and 1.
        columns: chance of each column of the child.
        density: distinct rows of the parent over the product of its columns' distinct values.
    """

    chance: float
    columns: tuple[float, ...]
    density: float


def column_chances(bounds: ColumnBounds, sketches: ValueSketches, columns: Int64) -> Float64:
    """Chance of each of the given columns, (k,): (1 + columns that contain it) / (1 + columns).

    Columns whose bounds rule it out count as not containing it; of columns that bounds admit but nobody has read, the
    same share is taken to contain it as of those read; where none was read, they are no evidence.
    """
    order = np.argsort(bounds.kind, kind="stable")
    starts = np.searchsorted(bounds.kind[order], np.arange(bounds.kind.max(initial=-1) + 2))
    rivals = (order, starts, bounds.token[order], np.ascontiguousarray(bounds.bounds[order].T))
    return _column_chances(  # type: ignore[no-any-return]
        columns, bounds.token, bounds.kind, bounds.bounds, rivals, sketches.indptr, sketches.hashes, sketches.level
    )


def edge_chance(columns: Float64, n_parent_distinct: int, parent_values: Float64, n_child_distinct: int) -> Chance:
    """Combines the columns' chances with the density of the parent's rows.

    Shapes: columns (k,) of the child; parent_values (k,) distinct values of the same columns in the parent.
    """
    log_density = 0.0
    if len(columns) > 1 and n_parent_distinct > 0:
        log_density = min(0.0, float(np.log(n_parent_distinct) - np.log(np.maximum(parent_values, 1.0)).sum()))
    log_chance = float(np.log(columns).sum()) + n_child_distinct * log_density
    return Chance(float(np.exp(log_chance)), tuple(float(value) for value in columns), float(np.exp(log_density)))


@njit(cache=True, nogil=True)
def _column_chances(columns, token, kind, bounds, rivals, indptr, hashes, level):  # type: ignore[no-untyped-def]
    """`rivals` are the columns by kind: numbers, first place of each kind, tokens, bounds (4, n)."""
    order, starts, their_token, theirs = rivals
    chances = np.ones(len(columns), np.float64)
    for index in range(len(columns)):
        mine = columns[index]
        min_upper, max_lower = bounds[mine, 1], bounds[mine, 2]
        n_outside, n_compared, n_unread = 0, 0, 0
        n_contain = 0.0
        for place in range(starts[kind[mine]], starts[kind[mine] + 1]):
            if their_token[place] == token[mine]:
                continue
            is_below = min_upper >= 0 and theirs[0, place] > min_upper
            if is_below or (max_lower > theirs[3, place] and theirs[3, place] >= 0):
                n_outside += 1
            elif level[mine] >= 0 and level[order[place]] >= 0:
                n_compared += 1
                n_contain += _contains(mine, order[place], indptr, hashes, level)
            else:
                n_unread += 1
        if n_compared > 0:
            n_compared, n_contain = n_compared + n_unread, n_contain * (1 + n_unread / n_compared)
        chances[index] = (1 + n_contain) / (1 + n_outside + n_compared)
    return chances


@njit(cache=True, nogil=True)
def _contains(mine, other, indptr, hashes, level):  # type: ignore[no-untyped-def]
    """1 where every sampled value of `mine` is a sampled value of `other`, at the coarser of their levels."""
    shift = max(level[mine], level[other])
    start, end = indptr[other], indptr[other + 1]
    for entry in range(indptr[mine], indptr[mine + 1]):
        value = hashes[entry]
        if shift > 0 and value >> np.uint64(64 - shift) != 0:
            break
        start += np.searchsorted(hashes[start:end], value)
        if start == end or hashes[start] != value:
            return 0
    return 1

"""Column bounds from Python values, as min-max sees them."""

from dataclasses import dataclass, field

import numpy as np

from lakebed.tasks.containment.kernel.min_max import ColumnBounds
from lakebed.tasks.containment.kernel.schema_graph import group_schemas

MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Column:
    """Statistics of one column: bounds (min_lower, min_upper, max_lower, max_upper), -1 unknown."""

    bounds: tuple[int, int, int, int] = (-1, -1, -1, -1)
    n_nulls: int = 0
    kind: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    values: list[int] = field(default_factory=list)


def tight(low, high, **facts):
    return Column((low, low, high, high), **facts)


def bounds_of(tables, n_rows):
    """`tables`: per table a mapping token → Column."""
    columns = [(table, token, column) for table, row in enumerate(tables) for token, column in sorted(row.items())]
    indptr = np.cumsum([0, *(len(row) for row in tables)], dtype=np.int64)
    token = np.array([token for _, token, _ in columns], np.int32)
    ranges = [column.ranges for _, _, column in columns]
    values = [sorted(column.values) for _, _, column in columns]
    bounds = ColumnBounds(
        indptr=indptr,
        token=token,
        kind=np.array([column.kind for *_, column in columns], np.int32),
        n_nulls=np.array([column.n_nulls for *_, column in columns], np.int64),
        n_rows=np.array(n_rows, np.int64),
        bounds=np.array([column.bounds for *_, column in columns], np.int32),
        range_indptr=np.cumsum([0, *map(len, ranges)], dtype=np.int64),
        ranges=np.array([pair for rows in ranges for pair in rows], np.int32).reshape(-1, 2),
        value_indptr=np.cumsum([0, *map(len, values)], dtype=np.int64),
        values=np.array([value for rows in values for value in rows], np.int32),
    )
    return group_schemas(indptr, token), bounds


def hash_words(values):
    """Distinct pseudo-random (n, 2) words for distinct values; half of them share their high word with a neighbour."""
    numbers = np.asarray(values, np.uint64)
    return np.stack([(numbers // np.uint64(2) + np.uint64(1)) * MIX, (numbers + np.uint64(1)) * MIX], axis=1)

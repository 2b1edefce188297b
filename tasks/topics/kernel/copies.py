"""Equal tables, which are one table to the graph: they would share every target, and be its whole cost."""

from dataclasses import replace

import numpy as np

from lakebed.tasks.keys.kernel.columns import Int64, Lake

_FIGURES = ("position", "n_rows", "n_filled", "n_distinct", "kind", "low", "high", "length", "last")


def copies_of(lake: Lake) -> Int64:
    """The number of each table among the distinct ones, (T,), numbered by the first of its copies.

    Equal are tables whose columns have the same names, counts and values, in the same order; the tables' own names do
    not count, and tables without a column are equal to none. O(values).
    """
    bounds = lake.indptr.tolist()
    held: list[list[tuple[object, ...]]] = [[] for _ in lake.tables]
    for column, table in enumerate(lake.table_of.tolist()):
        values = lake.values[bounds[column] : bounds[column + 1]].tobytes()
        held[table].append((lake.names[column], lake.n_rows[column], lake.n_filled[column], values))
    number: dict[object, int] = {}
    told = [number.setdefault(tuple(one) or place, len(number)) for place, one in enumerate(held)]
    return np.array(told, np.int64)


def of_tables(lake: Lake, kept: Int64) -> Lake:
    """Some of the tables, ascending, with their columns. Shapes: kept (t,)."""
    place = np.full(len(lake.tables), -1, np.int64)
    place[kept] = np.arange(len(kept))
    columns = np.flatnonzero(place[lake.table_of] >= 0)
    sizes = np.diff(lake.indptr)
    is_held = np.repeat(place[lake.table_of] >= 0, sizes)
    return replace(
        lake,
        tables=[lake.tables[table] for table in kept.tolist()],
        names=[lake.names[column] for column in columns.tolist()],
        table_of=place[lake.table_of[columns]],
        indptr=np.concatenate([[0], np.cumsum(sizes[columns])]),
        values=lake.values[is_held],
        **{name: getattr(lake, name)[columns] for name in _FIGURES},
    )

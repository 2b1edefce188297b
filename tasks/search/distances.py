"""How far vectors of an index are from one, exactly and whatever their number."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.index.vector_index import NamedIndex
from lakebed.tasks.keys.kernel.columns import Float64, Int64

DECIMALS = 6
Vector = NDArray[Any]


@dataclass(frozen=True)
class TableVectors:
    """The index of tables, and their names by number."""

    index: NamedIndex
    tables: Sequence[str]

    def of(self, table: int) -> Vector:
        """The vector of a table."""
        return self.index.vector(f"table:{self.tables[table]}")

    def away(self, vector: Vector) -> Float64:
        """How far each table is from a vector, (T,); inf where it has none."""
        found = np.full(len(self.tables), np.inf)
        found[self._number] = all_distances(self.index, vector)
        return found

    @cached_property
    def _number(self) -> Int64:
        """The table of each item of the index."""
        number = {name: at for at, name in enumerate(self.tables)}
        return np.array([number[name.removeprefix("table:")] for name in self.index.items["id"].to_pylist()], np.int64)


def all_distances(index: NamedIndex, vector: Vector) -> Float64:
    """From a vector to every item of the index, (n,), rounded so that ties are ties."""
    return np.round(_to(index, vector, index.index.vectors)[index.group_of], DECIMALS)


def distances(index: NamedIndex, vector: Vector, keys: Sequence[str]) -> list[float]:
    """From a vector to those of some items."""
    if not keys:
        return []
    found: list[float] = _to(index, vector, np.stack([index.vector(key) for key in keys])).tolist()
    return found


def nearest_columns(index: NamedIndex, vector: Vector, asked: int, table_of: Int64, known: Int64) -> list[int]:
    """The columns of other tables that are not known yet, by the distance of their vectors, then by number.

    Args:
        index: of the columns.
        vector: of the asked column.
        asked: its number.
        table_of: (c,) table of each column.
        known: columns that are answers already.
    """
    nodes = index.items["node_id"].to_numpy()
    is_other = (table_of[nodes] != table_of[asked]) & ~np.isin(nodes, known)
    order = np.lexsort((nodes, all_distances(index, vector)))
    return [int(column) for column in nodes[order[is_other[order]]]]


def _to(index: NamedIndex, vector: Vector, others: Vector) -> Float64:
    if index.space == "cosine":
        return np.asarray(np.maximum(1 - others @ (vector / max(float(np.linalg.norm(vector)), 1e-12)), 0), np.float64)
    return np.asarray(((others - vector) ** 2).sum(axis=1), np.float64)

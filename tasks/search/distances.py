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


@dataclass(frozen=True)
class ColumnVectors:
    """The index of columns, and the table of each column, (C,)."""

    index: NamedIndex
    table_of: Int64

    def of(self, columns: Sequence[int]) -> Vector:
        """The vectors of columns, (m, dim)."""
        place = self._place[np.array(columns, np.int64)]
        found: Vector = self.index.index.vectors[self.index.group_of[place]]
        return found

    def away(self, vector: Vector, columns: Sequence[int]) -> list[float]:
        """How far those of some columns are from a vector."""
        found: list[float] = _to(self.index, vector, self.of(columns)).tolist()
        return found

    def nearest(self, vector: Vector, asked: int, known: Int64, n: int) -> list[int]:
        """The n columns of other tables that are not known yet, by the distance of their vectors, then by number.

        Args:
            vector: of the asked column.
            asked: its number.
            known: columns that are answers already.
            n: how many, 1 or more.
        """
        away = np.full(len(self._place), np.inf)
        away[self._node] = all_distances(self.index, vector)
        away[known] = np.inf
        away[self.table_of == self.table_of[asked]] = np.inf
        n = min(n, len(away))
        least = np.flatnonzero(away <= np.partition(away, n - 1)[n - 1])
        order = least[np.lexsort((least, away[least]))][:n]
        found: list[int] = order[np.isfinite(away[order])].tolist()
        return found

    @cached_property
    def _node(self) -> Int64:
        """The column of each item of the index."""
        return np.asarray(self.index.items["node_id"].to_numpy(), np.int64)

    @cached_property
    def _place(self) -> Int64:
        """The item of each column, (C,)."""
        place = np.empty(len(self.table_of), np.int64)
        place[self._node] = np.arange(len(self._node))
        return place


def _to(index: NamedIndex, vector: Vector, others: Vector) -> Float64:
    if index.space == "cosine":
        return np.asarray(np.maximum(1 - others @ (vector / max(float(np.linalg.norm(vector)), 1e-12)), 0), np.float64)
    return np.asarray(((others - vector) ** 2).sum(axis=1), np.float64)

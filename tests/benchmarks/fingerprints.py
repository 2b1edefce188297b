"""The honest baseline on a lake that fits in memory: load all, hash rows with pandas, compare sets of hashes.

64-bit hashes without a proof, one process, no statistics; numbers as doubles, strings as strings.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

Pair = tuple[str, str]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = tuple(np.uint64(shift) for shift in (30, 27, 31))


class FingerprintLake:
    """All tables of a lake of Parquet files, in memory."""

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        self._tables = {name: pq.read_table(root / f"{name}.parquet", partitioning=None) for name in names}
        self._columns: dict[tuple[str, str], np.ndarray] = {}

    @cached_property
    def schemas(self) -> dict[str, frozenset[str]]:
        """Table → its columns."""
        return {name: frozenset(table.column_names) for name, table in self._tables.items()}

    def contained_pairs(self) -> set[Pair]:
        """The ordered pairs (child, parent) whose distinct rows nest, by their hashes."""
        children: defaultdict[frozenset[str], list[str]] = defaultdict(list)
        for name, schema in self.schemas.items():
            children[schema].append(name)
        found: set[Pair] = set()
        for schema, names in children.items():
            holders = [name for name, other in self.schemas.items() if schema <= other]
            if len(holders) > 1:
                rows = {name: self._row_set(name, schema) for name in holders}
                found |= {(c, p) for c in names for p in holders if c != p and rows[c] <= rows[p]}
        return found

    def _row_set(self, name: str, columns: frozenset[str]) -> frozenset[int]:
        total = np.zeros(self._tables[name].num_rows, np.uint64)
        for column in columns:
            total += self._column_hashes(name, column)
        return frozenset(_mixed(total).tolist())

    def _column_hashes(self, name: str, column: str) -> np.ndarray:
        if (name, column) not in self._columns:
            values = _comparable(self._tables[name][column])
            salt = np.uint64(zlib.crc32(column.encode()))
            self._columns[name, column] = _mixed(pd.util.hash_array(values) + salt * np.asarray([_GOLDEN]))
        return self._columns[name, column]


def _comparable(column: pa.ChunkedArray) -> np.ndarray:
    if pt.is_integer(column.type) or pt.is_floating(column.type) or pt.is_decimal(column.type):
        numbers: np.ndarray = column.cast(pa.float64()).to_numpy() + 0.0  # -0.0 becomes 0.0
        return numbers
    texts: np.ndarray = column.cast(pa.string()).to_pandas().to_numpy(dtype=object)
    return texts


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, so that sums of column hashes do not cancel between rows."""
    values = values ^ (values >> _SHIFTS[0])
    values = values * _MIXERS[0]
    values = (values ^ (values >> _SHIFTS[1])) * _MIXERS[1]
    result: np.ndarray = values ^ (values >> _SHIFTS[2])
    return result

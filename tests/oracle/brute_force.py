"""Containment by Python sets and counters, for small tables; follows containment.md §§1 and 5.1 to the letter.

Shares no code with tasks/ or connectors/. A cell becomes a tuple of its type class and a Python value whose
equality is the rule: Python compares int, float and Decimal by their exact values (2**53 + 1 != float(2**53)).
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import pyarrow as pa
import pyarrow.types as pt

Semantics = Literal["set", "bag"]
Path = tuple[str | int, ...]
Row = tuple[Hashable, ...]

_NS_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Leaves:
    """A table as leaf columns of comparable cells: one value of `columns` a leaf, each (n,) long."""

    def __init__(self, table: pa.Table) -> None:
        self.n_rows = table.num_rows
        self.columns: dict[Path, list[Hashable]] = {}
        seen: Counter[str] = Counter()
        for name, column in zip(table.column_names, table.columns, strict=True):
            seen[name] += 1
            path: Path = (name,) if seen[name] == 1 else (name, seen[name])
            self.columns.update(_leaf_columns(path, column))
        self._rows = lru_cache(maxsize=None)(self._count_rows)

    @property
    def is_vacuous(self) -> bool:
        """No row, or nothing but nulls: contained by definition."""
        return all(_is_null(cell) for column in self.columns.values() for cell in column)

    def rows(self, paths: Sequence[Path]) -> Counter[Row]:
        """The projection on some leaves, with multiplicities."""
        return self._rows(tuple(paths))

    def _count_rows(self, paths: tuple[Path, ...]) -> Counter[Row]:
        return Counter(zip(*(self.columns[path] for path in paths), strict=True))


def is_contained(child: Leaves, parent: Leaves, semantics: Semantics) -> bool:
    """Whether the child's rows lie in the projection of the parent on the child's columns."""
    if child.is_vacuous:
        return True
    paths = sorted(child.columns, key=str)
    ours, theirs = child.rows(paths), parent.rows(paths)
    if semantics == "set":
        return ours.keys() <= theirs.keys()
    return all(theirs[row] >= n for row, n in ours.items())


def schema_pairs(tables: Mapping[str, Leaves]) -> Iterator[tuple[str, str]]:
    """The ordered pairs of different tables in which each leaf of the child is one of the parent."""
    for child, child_leaves in tables.items():
        for parent, parent_leaves in tables.items():
            if child != parent and child_leaves.columns.keys() <= parent_leaves.columns.keys():
                yield child, parent


def contained_pairs(tables: Mapping[str, Leaves], semantics: Semantics) -> set[tuple[str, str]]:
    """All ordered pairs (child, parent) that are contained."""
    return {
        (child, parent)
        for child, parent in schema_pairs(tables)
        if is_contained(tables[child], tables[parent], semantics)
    }


def _leaf_columns(path: Path, column: pa.ChunkedArray) -> dict[Path, list[Hashable]]:
    kind = column.type
    if pt.is_struct(kind):
        return {(*path, *below): values for below, values in _struct_leaves(kind, column.to_pylist()).items()}
    if _is_clock(kind):
        return {path: [_instant(kind, number) for number in column.cast(_integers(kind)).to_pylist()]}
    return {path: [_cell(kind, value, 0) for value in column.to_pylist()]}


def _struct_leaves(kind: pa.StructType, cells: list[object]) -> dict[Path, list[Hashable]]:
    """Leaves of a struct; a null of the struct itself differs from a null further in by its depth."""
    columns: dict[Path, list[Hashable]] = {}
    for leaf in _paths(kind):
        columns[leaf] = [_descend(kind, cell, leaf) for cell in cells]
    return columns


def _paths(kind: pa.DataType) -> Iterator[Path]:
    if not pt.is_struct(kind):
        yield ()
        return
    for field in kind:
        for below in _paths(field.type):
            yield (field.name, *below)


def _descend(kind: pa.DataType, cell: object, leaf: Path) -> Hashable:
    for depth, name in enumerate(leaf):
        if cell is None:
            return ("null", depth)
        assert isinstance(cell, Mapping)
        kind, cell = kind.field(str(name)).type, cell[name]
    return _cell(kind, cell, len(leaf))


def _is_null(cell: Hashable) -> bool:
    return isinstance(cell, tuple) and cell[0] == "null"


def _cell(kind: pa.DataType, value: object, depth: int) -> Hashable:
    if value is None:
        return ("null", depth)
    if _is_clock(kind):
        return _instant(kind, pa.scalar(value, kind).cast(_integers(kind)).as_py())
    if pt.is_map(kind):
        assert isinstance(value, list)
        entries = [(_cell(kind.key_type, key, 0), _cell(kind.item_type, item, 0)) for key, item in value]
        return ("nested", "map", tuple(sorted(entries, key=repr)))
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        assert isinstance(value, list)
        return ("nested", "list", tuple(_cell(kind.value_type, item, 0) for item in value))
    if pt.is_struct(kind):
        assert isinstance(value, dict)
        fields = [(field.name, _cell(field.type, value[field.name], 0)) for field in kind]
        return ("nested", "struct", tuple(sorted(fields)))
    return _flat_cell(value)


def _flat_cell(value: object) -> Hashable:
    match value:
        case bool():
            return ("bool", value)
        case float() if math.isnan(value):
            return ("number", "nan")
        case int() | float() | Decimal() | Fraction():
            return ("number", value)
        case str():
            return ("string", value)
        case bytes():
            return ("binary", value)
        case _:
            return (type(value).__name__, str(value))


def _is_clock(kind: pa.DataType) -> bool:
    return bool(pt.is_timestamp(kind) or pt.is_time(kind) or pt.is_duration(kind))


def _integers(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if pt.is_time32(kind) else pa.int64()


def _instant(kind: pa.DataType, number: int | None) -> Hashable:
    """Nanoseconds, so that units do not matter; a timestamp without a zone counts as UTC."""
    if number is None:
        return ("null", 0)
    clock = "timestamp" if pt.is_timestamp(kind) else "time" if pt.is_time(kind) else "duration"
    return (clock, number * _NS_PER_UNIT[kind.unit])

"""Containment by DuckDB's `EXCEPT` over every schema pair of a lake of Parquet files, one file a table.

Shares no code with tasks/ or connectors/. Rules: numbers compare as numbers (exactly where neither is a float, else
as doubles), booleans, strings, dates, timestamps, times and binaries as themselves and with nothing else; null equals
null, NaN equals NaN, -0.0 equals 0.0; a child without rows or without a cell that is not null is contained.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

Semantics = Literal["set", "bag"]
Pair = tuple[str, str]


@dataclass(frozen=True)
class FileSchema:
    """What the footer of a table's file says: class of each column (`int`, `float`, `decimal`, `string`, …)."""

    path: Path
    columns: Mapping[str, str]


def read_schemas(root: Path) -> dict[str, FileSchema]:
    """Table name (path without its ending) → schema, for every Parquet file below `root`."""
    files = sorted(path for path in root.rglob("*.parquet") if path.is_file())
    return {path.relative_to(root).as_posix().removesuffix(".parquet"): _schema(path) for path in files}


def schema_pairs(root: Path) -> list[Pair]:
    """All ordered pairs (child, parent) of different tables with the child's columns among the parent's."""
    schemas = read_schemas(root)
    by_columns: defaultdict[frozenset[str], list[str]] = defaultdict(list)
    for name, schema in schemas.items():
        by_columns[frozenset(schema.columns)].append(name)
    pairs = itertools.chain.from_iterable(
        itertools.product(children, parents)
        for child, children in by_columns.items()
        for parent, parents in by_columns.items()
        if child <= parent
    )
    return sorted((child, parent) for child, parent in pairs if child != parent)


def duckdb_pairs(
    root: Path, semantics: Semantics = "set", pairs: Iterable[Pair] | None = None, n_threads: int = 2
) -> set[Pair]:
    """The contained ones among `pairs` (by default all schema pairs), read from the files for each pair."""
    oracle = DuckDbOracle(root, n_threads)
    return {pair for pair in (schema_pairs(root) if pairs is None else pairs) if oracle.is_contained(*pair, semantics)}


class DuckDbOracle:
    """Asks DuckDB pair by pair.

    Args:
        root: folder of the lake.
        n_threads: DuckDB's threads.
        is_loaded: whether tables are copied into memory at first use instead of being read for each pair.
    """

    def __init__(self, root: Path, n_threads: int = 2, is_loaded: bool = False) -> None:
        self._schemas = read_schemas(root)
        self._connection = duckdb.connect()
        self._connection.execute(f"SET threads = {n_threads}")
        self._is_loaded = is_loaded
        self._loaded: dict[str, str] = {}

    def is_contained(self, child: str, parent: str, semantics: Semantics = "set") -> bool:
        """Whether `child EXCEPT [ALL] parent` is empty on the child's columns."""
        return self._is_empty(_except_query(self._side(child), self._side(parent), semantics)) or (
            self._is_vacuous(child)
        )

    def load(self, names: Iterable[str]) -> None:
        """Copy tables into memory now rather than at first use."""
        for name in names:
            self._source(name)

    def _side(self, name: str) -> tuple[str, Mapping[str, str]]:
        return self._source(name), self._schemas[name].columns

    def _source(self, name: str) -> str:
        if not self._is_loaded:
            return _file_source(self._schemas[name].path)
        if name not in self._loaded:
            table = f"t{len(self._loaded)}"
            self._connection.execute(f"CREATE TABLE {table} AS FROM {_file_source(self._schemas[name].path)}")
            self._loaded[name] = table
        return self._loaded[name]

    def _is_empty(self, query: str) -> bool:
        return self._connection.execute(f"{query} LIMIT 1").fetchone() is None

    def _is_vacuous(self, name: str) -> bool:
        source, columns = self._side(name)
        is_any_set = " OR ".join(f"{_quoted(column)} IS NOT NULL" for column in columns) or "false"
        return self._is_empty(f"SELECT 1 FROM {source} WHERE {is_any_set}")  # noqa: S608 - names are quoted


def _except_query(
    child: tuple[str, Mapping[str, str]], parent: tuple[str, Mapping[str, str]], semantics: Semantics
) -> str:
    (child_source, ours), (parent_source, theirs) = child, parent
    sides = [_comparable(column, ours[column], theirs[column]) for column in ours]
    left = f"SELECT {', '.join(side[0] for side in sides)} FROM {child_source}"  # noqa: S608 - names are quoted
    right = f"SELECT {', '.join(side[1] for side in sides)} FROM {parent_source}"  # noqa: S608
    return f"{left} EXCEPT {'ALL ' if semantics == 'bag' else ''}{right}"


def _comparable(column: str, ours: str, theirs: str) -> tuple[str, str]:
    """The two sides of a column as expressions of one type."""
    name, classes = _quoted(column), {ours, theirs}
    if classes <= {"int", "decimal"}:
        return name, name
    if classes <= {"int", "decimal", "float"}:
        number = f"{name}::DOUBLE + 0.0"  # -0.0 becomes 0.0
        return number, number
    if ours == theirs:
        return name, name
    # of two classes only null equals null: the class is part of the text
    return f"'{ours}:' || {name}::VARCHAR", f"'{theirs}:' || {name}::VARCHAR"


def _schema(path: Path) -> FileSchema:
    schema = pq.read_schema(path)
    return FileSchema(path, {field.name: _class_of(field.type) for field in schema})


def _class_of(kind: pa.DataType) -> str:
    tests: Sequence[tuple[str, bool]] = (
        ("int", pt.is_integer(kind)),
        ("float", pt.is_floating(kind)),
        ("decimal", pt.is_decimal(kind)),
        ("string", pt.is_string(kind) or pt.is_large_string(kind)),
        ("timestamp", pt.is_timestamp(kind)),
        ("bool", pt.is_boolean(kind)),
    )
    return next((name for name, holds in tests if holds), str(kind))


def _file_source(path: Path) -> str:
    # hive_partitioning would turn a folder called `a=b` into a column
    quoted = str(path).replace("'", "''")
    return f"read_parquet('{quoted}', hive_partitioning = false)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""Reads Delta logs without a JVM: version, schema, files and what their statistics are worth.

No data file is opened here. What the log's statistics are worth:

- text: minima are prefixes (32 characters by default), maxima are cut and closed by a tie-break character, or, by
  writers other than Spark, incremented;
- timestamps: truncated to milliseconds;
- decimals: may have gone through a float64;
- files with deletion vectors: the extremes may be deleted, so both lie anywhere between the stored ones.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.delta import open_table
from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.canonical import canonical_values, has_order, is_stringlike
from lakebed.connectors.lake.delta_errors import HINT, log_errors
from lakebed.connectors.lake.delta_rows import physical_names, physical_path, row_deletes
from lakebed.connectors.lake.delta_schema import casts_of, widened_columns, with_variants
from lakebed.connectors.lake.files import place_uri
from lakebed.connectors.lake.hidden import DELTA_LOG
from lakebed.connectors.lake.leaves import schema_leaves, token_of
from lakebed.connectors.lake.statistics import (
    AFTER_TEXT,
    UNKNOWN,
    FileFacts,
    LeafStatistics,
    rounded,
    tight,
    widen,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deltalake import DeltaTable

    from lakebed.connectors.lake.canonical import Canonical
    from lakebed.connectors.lake.leaves import Leaf
    from lakebed.connectors.lake.model import FileEntry, TableSource
    from lakebed.connectors.lake.statistics import Interval, Tightness

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.[^.]+)*\.parquet|(\d{20})\.checkpoint\.[^.]+\.json")
# Spark closes a cut maximum by the greatest ASCII character, or by the greatest of Unicode (see `_before_wide`)
_TIE_BREAKS = (b"\x7f", "\ufffd".encode())
_MAX_HISTORY = 100
_EXACT_DECIMAL_DIGITS = 15


@dataclass
class DeltaFacts:
    """A Delta table as its log describes it.

    `leaves` are those of the data files; `partition_types` has the token and type of each partition column;
    `row_deletes` the number of deleted rows of each file that has a deletion vector, by the file's path; `needs_spark`
    whether the files cannot be read as they lie (deletion vectors, renamed columns, files outside the lake).
    """

    version: int
    leaves: list[Leaf]
    positions: list[str]
    partition_types: dict[str, pa.DataType]
    files: list[FileFacts]
    needs_spark: bool
    row_deletes: dict[str, int] = field(default_factory=dict)
    has_all_statistics: bool = True
    is_mapped: bool = False


def read_delta(root: str, source: TableSource, logs: Iterable[FileEntry], ignore_case: bool = False) -> DeltaFacts:
    """Reads the newest version of a table's log.

    Args:
        root: of the lake.
        source: the table.
        logs: the listed files of its log.
        ignore_case: whether column names that differ only in case are the same.

    Raises:
        SourceError: if the log lacks a commit, is damaged, or names files that are not there.
    """
    folder = f"{source.path}/{DELTA_LOG}/" if source.path else f"{DELTA_LOG}/"
    # folders of the log hold what is staged, archived or aborted, not commits
    own = [entry.path.removeprefix(folder) for entry in logs]
    newest = _check_log(source.path, [name for name in own if "/" not in name])
    with log_errors(source.name):
        table = open_table(place_uri(root, source.path))
        if table.version() != newest:
            raise SourceError("the log ends before its newest commit", value=f"version {table.version()} of {newest}")
        return _read(table, source, ignore_case)


def _read(table: DeltaTable, source: TableSource, ignore_case: bool) -> DeltaFacts:
    described = json.loads(table.schema().to_json())
    schema = with_variants(pa.schema(table.schema().to_arrow()), described)
    physical = physical_names(described)
    partitions = list(table.metadata().partition_columns)
    leaves = schema_leaves(schema, ignore_case)
    data = [leaf for leaf in leaves if schema.field(leaf.indices[0]).name not in partitions]
    types = {leaf.token: leaf.type for leaf in leaves if leaf not in data}
    adds = pa.table(table.get_add_actions(flatten=False)).combine_chunks()
    paths = [relative_path(path, source.path) for path in adds["path"].to_pylist()]
    deletes = row_deletes(table, paths)
    rules = _Rules(is_spark_only=_is_written_by_spark(table))
    reader = _AddReader(adds, schema, physical, rules, widened_columns(described))
    _require_files(paths, {entry.path for entry in source.files})
    files = reader.files(paths, data, types, deletes)
    casts = casts_of(described, data)
    for file in files:
        file.casts = casts
    is_mapped = table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none"
    is_outside = any(_is_outside(unquote(path)) for path in adds["path"].to_pylist())
    if "variant" in casts.values() and (is_mapped or is_outside or deletes):
        raise SourceError("a VARIANT column in a table with renamed columns, deletion vectors or files elsewhere")
    return DeltaFacts(
        version=table.version(),
        leaves=data,
        positions=[leaf.token for leaf in leaves],
        partition_types=types,
        files=files,
        needs_spark=is_mapped or is_outside or bool(deletes),
        row_deletes=deletes,
        has_all_statistics=reader.has_all_statistics,
        is_mapped=is_mapped,
    )


@dataclass(frozen=True)
class _Rules:
    """What the stored bounds of a table are worth."""

    is_spark_only: bool

    def interval(self, type_: pa.DataType, low: Canonical, high: Canonical) -> tuple[Interval, Tightness]:
        if is_stringlike(type_) and isinstance(low, bytes) and isinstance(high, bytes):
            low = _before_wide(low)
            if (prefix := _before_wide(high)) != high:
                return (low, low + AFTER_TEXT, prefix, prefix + AFTER_TEXT), "cut"
            return (low, low + AFTER_TEXT, self._text_floor(high), high), "cut"
        if isinstance(low, bytes):
            return (low, None, None, high), "cut"
        if pa.types.is_timestamp(type_):
            return within(low, high), "cut"  # type: ignore[arg-type]
        if pa.types.is_decimal(type_) and type_.precision > _EXACT_DECIMAL_DIGITS:
            return rounded(low, high), "cut"  # type: ignore[arg-type]
        return tight(low, high), "tight"

    def _text_floor(self, high: bytes) -> bytes | None:
        """What the maximum is at least: without its tie-break; unknown where other writers may have incremented it."""
        for mark in _TIE_BREAKS:
            if high.endswith(mark):
                return high.removesuffix(mark)
        return high if self.is_spark_only else None


def _before_wide(text: bytes) -> bytes:
    """The text up to its first character beyond 16 bits.

    delta-rs reads such a character wrongly where the log's JSON escapes it (U+10FFFF comes out as U+FFFFF).
    """
    return next((text[:index] for index, byte in enumerate(text) if byte >= 0xF0), text)


class _AddReader:
    """The add actions as facts about files."""

    def __init__(
        self, adds: pa.Table, schema: pa.Schema, physical: Mapping[str, Any], rules: _Rules, widened: frozenset[str]
    ) -> None:
        self._adds = adds
        self._widened = widened
        self._schema = schema
        self._physical = physical
        self._rules = rules
        self.has_all_statistics = True

    def files(
        self,
        paths: Sequence[str],
        leaves: Sequence[Leaf],
        partition_types: Mapping[str, pa.DataType],
        deletes: Mapping[str, int],
    ) -> list[FileFacts]:
        """The facts of each active file, sorted by path."""
        n_records = self._adds["num_records"].to_pylist()
        self.has_all_statistics = None not in n_records
        columns = [self._column(leaf) for leaf in leaves]
        values = self._partition_texts(partition_types)
        facts = [
            self._file(index, path, leaves, columns, deletes.get(path, 0), tuple(values[index]))
            for index, path in enumerate(paths)
        ]
        return sorted(facts, key=lambda file: file.path)

    def _file(
        self,
        index: int,
        path: str,
        leaves: Sequence[Leaf],
        columns: Sequence[_Column],
        n_deleted: int,
        values: tuple[tuple[str, str | None], ...],
    ) -> FileFacts:
        n_records = self._adds["num_records"][index].as_py()
        statistics = LeafStatistics()
        for leaf, column in zip(leaves, columns, strict=True):
            low, high, n_nulls = column.lows[index], column.highs[index], column.n_nulls[index]
            bounds, tightness = self._bounds(leaf.type, low, high)
            if tightness == "none" and has_order(leaf.type) and (n_nulls is None or n_nulls != n_records):
                self.has_all_statistics = False
            if n_deleted:
                bounds, tightness = widen(bounds), "none" if tightness == "none" else "wide"
                n_nulls = {0: 0, n_records: n_records - n_deleted}.get(n_nulls)
            statistics.add(bounds, tightness, n_nulls, None)
        n_rows = -1 if n_records is None else n_records - n_deleted
        size = int(self._adds["size_bytes"][index].as_py())
        return FileFacts(path, size, n_rows, [], [], list(leaves), statistics, values)

    def _bounds(self, type_: pa.DataType, low: Canonical | None, high: Canonical | None) -> tuple[Interval, Tightness]:
        if low is None or high is None or low > high:  # type: ignore[operator]
            return UNKNOWN, "none"
        return self._rules.interval(type_, low, high)

    def _column(self, leaf: Leaf) -> _Column:
        names = physical_path(leaf, self._schema, self._physical)
        # the bounds of a column that was widened are in an older type: "3.4" was the nearest float, no double
        is_widened = self._schema.field(leaf.indices[0]).name in self._widened
        ends = [None if is_widened else self._descend(self._adds, (part, *names)) for part in ("min", "max")]
        nulls = self._descend(self._adds, ("null_count", *names))
        nothing: list[Any] = [None] * self._adds.num_rows
        lows, highs = (
            canonical_values(end) if end is not None and has_order(end.type) and has_order(leaf.type) else nothing
            for end in ends
        )
        counts = nulls.to_pylist() if nulls is not None and pa.types.is_integer(nulls.type) else nothing
        return _Column(lows, highs, counts)

    def _partition_texts(self, types: Mapping[str, pa.DataType]) -> list[list[tuple[str, str | None]]]:
        texts: list[list[tuple[str, str | None]]] = [[] for _ in range(self._adds.num_rows)]
        for token in types:
            name = next(f.name for f in self._schema if token_of((f.name,)) == token or _folded(f.name) == token)
            values = self._descend(self._adds, ("partition", name))
            if values is None:
                values = self._descend(self._adds, ("partition", self._physical.get(name, {}).get("name", name)))
            if values is None:
                raise SourceError("the log lacks the values of a partition column", value=name)
            for row, text in zip(texts, pc.cast(values, pa.string()).to_pylist(), strict=True):
                row.append((token, text))
        return texts

    @staticmethod
    def _descend(adds: pa.Table, names: Sequence[str]) -> pa.Array | None:
        """The column that the names lead to, or None where it is not there (or not unique)."""
        if adds.schema.get_field_index(names[0]) < 0:
            return None
        values = adds[names[0]]
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        for name in names[1:]:
            index = array.type.get_field_index(name) if pa.types.is_struct(array.type) else -1
            if index < 0:
                return None
            array = pc.struct_field(array, [index])
        return array


@dataclass(frozen=True)
class _Column:
    """Stored bounds and null counts of one leaf, an entry a file."""

    lows: list[Canonical | None]
    highs: list[Canonical | None]
    n_nulls: list[int | None]


def _check_log(path: str, names: Sequence[str]) -> int:
    """The newest version; a gap behind the newest checkpoint makes a table unreadable, and delta-rs may not say so."""
    commits = {int(match[1]) for name in names if (match := _COMMIT.fullmatch(name))}
    checkpoints = {int(match[1] or match[2]) for name in names if (match := _CHECKPOINT.fullmatch(name))}
    if not commits and not checkpoints:
        raise SourceError(f"cannot read the Delta table {path}", value="its log is empty", hint=HINT)
    newest, start = max(commits | checkpoints), max(checkpoints, default=-1)
    missing = sorted(set(range(start + 1, newest + 1)) - commits)
    if missing:
        shown = ", ".join(f"{version:020d}.json" for version in missing[:3])
        raise SourceError(f"cannot read the Delta table {path}", value=f"its log lacks {shown}", hint=HINT)
    return newest


def _require_files(paths: Sequence[str], listed: set[str]) -> None:
    lost = [path for path in paths if path not in listed and not _is_outside(path)]
    if lost:
        raise SourceError(
            "the log names files that are not there", value=f"{len(lost)} files missing, one is {lost[0]}"
        )


def _is_outside(path: str) -> bool:
    return "://" in path or path.startswith("/")


def _is_written_by_spark(table: DeltaTable) -> bool:
    """Whether every commit of the table is known and Spark's: then a maximum without a tie-break was not cut."""
    if table.version() >= _MAX_HISTORY:
        return False
    try:
        engines = [str(commit.get("engineInfo", "")) for commit in table.history()]
    except Exception:
        # an action of a later protocol, which readers are to ignore
        return False
    return len(engines) == table.version() + 1 and all(engine.startswith("Apache-Spark/") for engine in engines)


def relative_path(path: str, folder: str) -> str:
    """A file's path relative to the lake root; one that lies elsewhere stays as it is."""
    plain = unquote(path)
    return f"{folder}/{plain}" if folder and not _is_outside(plain) else plain


def _folded(name: str) -> str:
    return token_of((name.casefold(),))

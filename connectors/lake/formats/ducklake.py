"""DuckLake: its catalog is a database of DuckDB or SQLite; its tables are read as that says, in the newest snapshot.

Source: the specification of DuckLake 1.0. A table is its data files (Parquet, columns by field id), without the rows
that delete files and the catalog name, and the rows that the catalog holds itself.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.books import Book, OpenBook, Unread
from lakebed.connectors.lake.databases import VIEW
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.formats.ducklake_claims import VERSIONS, Places, claimed, is_known
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.type_text import cast_text
from lakebed.connectors.storage import Storage

SIGNS = frozenset({"ducklake_metadata", "ducklake_snapshot", "ducklake_table", "ducklake_data_file"})
_OWN = re.compile(r"ducklake_.*")
_SCALARS: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(), "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(),
    "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(),
    "float32": pa.float32(), "float64": pa.float64(), "varchar": pa.string(), "json": pa.string(), "blob": pa.binary(),
    "uuid": pa.string(), "date": pa.date32(), "time": pa.time64("us"), "timestamp": pa.timestamp("us"),
    "timestamp_us": pa.timestamp("us"), "timestamp_ms": pa.timestamp("ms"), "timestamp_s": pa.timestamp("s"),
    "timestamp_ns": pa.timestamp("ns"), "timestamptz": pa.timestamp("us", "UTC"),
}  # fmt: skip
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
# of these the catalog's own rows are taken as it holds them, of all others as text
_RAW = (pa.types.is_integer, pa.types.is_floating, pa.types.is_string, pa.types.is_binary, pa.types.is_boolean)
_BATCH_ROWS = 1 << 16


class Database(OpenBook, Protocol):
    """A book that answers SQL."""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of an answer."""


@dataclass(frozen=True)
class _Table:
    number: int
    folder: str


@dataclass(frozen=True)
class _Column:
    number: int
    name: str
    type: pa.DataType
    default: str | None
    is_nested: bool = False


@dataclass(frozen=True)
class _File:
    """A data file, its path below the lake's root, and the places of its rows that are gone."""

    number: int
    path: str
    n_bytes: int
    n_rows: int
    mapping: int | None
    gone: list[int] = field(default_factory=list)


class DucklakeBook:
    """The tables of an open catalog.

    Args:
        inner: the database itself, open.
        root: of the lake.
        path: of the catalog, below it.
    """

    def __init__(self, inner: Database, root: str, path: str) -> None:
        query = inner.query
        self._inner, self._query, self._book = inner, query, inner.contents()
        self._root, self._places_of = root, Places(root, path)
        self._storage = Storage.at(root, SourceError)
        facts = dict(query("SELECT key, value FROM ducklake_metadata WHERE scope IS NULL"))
        if not is_known(facts):
            raise SourceError(
                f"cannot read {path}",
                value=f"DuckLake {facts.get('version')}{', encrypted' if facts.get('encrypted') != 'false' else ''}",
                expected=f"a DuckLake {', '.join(VERSIONS)} that is not encrypted",
                hint="let the program that keeps it bring it to that; no file in its data folder is planned until then",
            )
        ((self._snapshot,),) = query("SELECT max(snapshot_id) FROM ducklake_snapshot")
        self._base = self._places_of.data_folder(str(facts.get("data_path", "")))
        self._schemas = {
            number: (name, self._places_of.below(self._base, *place))
            for number, name, *place in self._live("schema", "schema_id, schema_name, path, path_is_relative")
        }
        tables = self._live("table", "table_id, schema_id, table_name, path, path_is_relative")
        self._tables = {
            self._shown(schema, name): _Table(number, self._places_of.below(self._schemas[schema][1], *place))
            for number, schema, name, *place in tables
        }
        self._views = [self._shown(*row) for row in self._live("view", "schema_id, view_name")]
        self._own = _apart(_names_of(self._book), {*self._tables, *self._views})

    def contents(self) -> Book:
        """Its tables by name, and the files of the lake that belong to them though their names do not say so."""
        why = (VIEW, "a view is not read", "read the tables that it is made of")
        unread = {one.part: one for one in self._book.unread}
        told = [replace(unread[part], part=name) for name, part in self._own.items() if part in unread]
        told += [Unread(name, *why) for name in self._views]
        told += claimed(self._query, self._places_of).unread
        others = [name for name, part in self._own.items() if part not in unread]
        return Book(tuple(sorted([*self._tables, *others])), tuple(told))

    def rows(self, part: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch], tuple[str, ...]]:
        """Schema and rows of a table, and what is said of how it is read.

        Raises:
            SourceError: if its metadata names what is not there, or what is not known here.
        """
        if part in self._own:
            return self._inner.rows(self._own[part])
        table = self._tables[part]
        columns = self._columns(table, self._snapshot)
        schema = pa.schema([pa.field(one.name, one.type) for one in columns])
        if any(one.is_nested for one in columns):
            schema = self._with_nested(schema, columns, table)
        files = self._files(table)
        return schema, self._batches(table, columns, schema, files), ()

    def _batches(
        self, table: _Table, columns: Sequence[_Column], schema: pa.Schema, files: Sequence[_File]
    ) -> Iterator[pa.RecordBatch]:
        for file in files:
            yield from self._file_batches(file, columns, schema)
        yield from self._inlined(table, columns, schema)

    # -- metadata

    def _live(self, kind: str, wanted: str, more: str = "", at: int | None = None) -> list[tuple[Any, ...]]:
        """Rows of a table of the catalog that count in a snapshot, the newest if no other is named."""
        return self._query(f"SELECT {wanted} FROM ducklake_{kind} WHERE {self._now(at)} {more}")  # noqa: S608

    def _now(self, at: int | None = None) -> str:
        now = self._snapshot if at is None else at
        return f"begin_snapshot <= {now} AND (end_snapshot IS NULL OR end_snapshot > {now})"

    def _columns(self, table: _Table, snapshot: int) -> list[_Column]:
        wanted = "column_id, column_name, column_type, initial_default, parent_column"
        more = f"AND table_id = {table.number} ORDER BY column_order"
        rows = self._live("column", wanted, more, snapshot)
        return [_column(*row[:4]) for row in rows if row[4] is None]

    def _files(self, table: _Table) -> list[_File]:
        """The data files, each with the places of its rows that are gone."""
        own = f"AND table_id = {table.number}"
        wanted = "data_file_id, path, path_is_relative, file_size_bytes, record_count, mapping_id, file_format"
        found = {}
        for number, path, is_relative, n_bytes, n_rows, mapping, format_ in self._live("data_file", wanted, own):
            _require(format_ == "parquet", f"a data file of the format {format_}")
            place = self._places_of.below(table.folder, path, is_relative)
            found[number] = _File(number, self._present(place, n_bytes), n_bytes, n_rows, mapping)
        wanted = "data_file_id, path, path_is_relative, file_size_bytes, format"
        for number, path, is_relative, n_bytes, format_ in self._live("delete_file", wanted, own):
            _require(format_ == "parquet", f"a delete file of the format {format_}")
            place = self._present(self._places_of.below(table.folder, path, is_relative), n_bytes)
            with open_file(self._root, place) as source:
                found[number].gone.extend(pq.read_table(source, columns=["pos"])["pos"].to_pylist())
        name = f"ducklake_inlined_delete_{table.number}"
        if name in self._book.parts:
            for number, place in self._query(
                f"SELECT file_id, row_id FROM {name} WHERE begin_snapshot <= {self._snapshot}"  # noqa: S608
            ):
                if number in found:
                    found[number].gone.append(place)
        return list(found.values())

    # -- places

    def _present(self, place: str, n_bytes: int) -> str:
        found = self._storage.stat(place) if place else None
        is_whole = found is not None and found.size == n_bytes
        _require(is_whole, f"a file that is gone, changed or not in the lake: {place}")
        return place

    def _shown(self, schema: int, name: str) -> str:
        own = self._schemas[schema][0]
        return _short(name) if own == "main" else f"{_short(own)}.{_short(name)}"

    # -- rows

    def _with_nested(self, schema: pa.Schema, columns: Sequence[_Column], table: _Table) -> pa.Schema:
        """The schema with the types that all files have of nested columns, in which no field was ever altered."""
        altered = "parent_column IS NOT NULL AND end_snapshot IS NOT NULL"
        ((n_altered,),) = self._query(
            f"SELECT count(*) FROM ducklake_column WHERE table_id = {table.number} AND {altered}"  # noqa: S608
        )
        _require(not n_altered, "a nested column of which a field was altered")
        types: dict[str, set[pa.DataType]] = {one.name: set() for one in columns if one.is_nested}
        for file in self._files(table):
            with open_file(self._root, file.path) as source:
                stored = pq.ParquetFile(source).schema_arrow
            places = self._places(file, stored)
            for one in columns:
                if one.is_nested:
                    _require(one.number in places, f"a nested column that a file has not: {one.name}")
                    types[one.name].add(_without_metadata(stored.field(places[one.number]).type))
        for name, found in types.items():
            _require(len(found) == 1, f"a nested column of several types: {name}")
            schema = schema.set(schema.get_field_index(name), pa.field(name, found.pop()))
        return schema

    def _places(self, file: _File, stored: pa.Schema) -> dict[int, int]:
        """Where in a file each column is, by its number: by field ids, or by names where the file was added by hand."""
        if file.mapping is None:
            ids = [(own.metadata or {}).get(b"PARQUET:field_id") for own in stored]
            _require(all(ids), f"a file without field ids: {file.path}")
            return {int(number): place for place, number in enumerate(ids) if number}
        wanted = "source_name, target_field_id, is_partition, parent_column"
        rows = self._query(f"SELECT {wanted} FROM ducklake_name_mapping WHERE mapping_id = {file.mapping}")  # noqa: S608
        _require(not any(one[2] for one in rows), f"a column in the name of a folder: {file.path}")
        places = {number: stored.get_field_index(name) for name, number, _, above in rows if above is None}
        return {number: place for number, place in places.items() if place >= 0}

    def _file_batches(self, file: _File, columns: Sequence[_Column], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        gone = np.unique(np.asarray(file.gone, np.int64))
        start = 0
        with open_file(self._root, file.path) as source:
            opened = pq.ParquetFile(source)
            is_whole = opened.metadata.num_rows == file.n_rows
            _require(is_whole, f"a file with other rows than it should have: {file.path}")
            places = self._places(file, opened.schema_arrow)
            for batch in opened.iter_batches(_BATCH_ROWS):
                alive()
                arrays = [_cells(batch, places.get(one.number), one, own.type)
                          for one, own in zip(columns, schema, strict=True)]  # fmt: skip
                made = pa.RecordBatch.from_arrays(arrays, schema=schema)
                low, high = np.searchsorted(gone, [start, start + batch.num_rows])
                if high > low:
                    is_left = np.ones(batch.num_rows, bool)
                    is_left[gone[low:high] - start] = False
                    made = made.filter(pa.array(is_left))
                start += batch.num_rows
                yield made

    def _inlined(self, table: _Table, columns: Sequence[_Column], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Rows that lie in the catalog, a table of it for each version of the columns."""
        begins = dict(self._query(
            f"SELECT schema_version, begin_snapshot FROM ducklake_schema_versions WHERE table_id = {table.number}"  # noqa: S608
        ))  # fmt: skip
        for name, version in self._query(
            f"SELECT table_name, schema_version FROM ducklake_inlined_data_tables WHERE table_id = {table.number}"  # noqa: S608
        ):
            held = {one.number: one for one in self._columns(table, begins[version])}
            wanted = [held.get(one.number) for one in columns]
            cells = [_asked(one) if one else "NULL" for one in wanted]
            rows = self._query(f"SELECT {', '.join(cells)} FROM {name} WHERE {self._now()} ORDER BY row_id")  # noqa: S608
            if rows:
                arrays = [
                    _of_values(values, one, own.type) if old else _default(one, len(rows), own.type)
                    for values, one, own, old in zip(zip(*rows, strict=True), columns, schema, wanted, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _names_of(book: Book) -> list[str]:
    """The tables and views of a catalog's database that are none of DuckLake's own."""
    return [name for name in (*book.parts, *(one.part for one in book.unread)) if not _OWN.fullmatch(name)]


def _apart(names: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """What the database's own tables and views are called beside those of the lake, to how the database calls them.

    One that is called like a table of the lake has three parts, which none of the lake's has.
    """
    found: dict[str, str] = {}
    # those that keep their names come first
    for name in sorted(names, key=lambda one: one in taken):
        free = name
        if name in taken:
            free = f"database.{name}" if "." in name else f"database.main.{name}"
        while free in taken or free in found:
            free = f"database.{free}"
        found[free] = name
    return found


def _column(number: int, name: str, kind: str, default: str | None) -> _Column:
    if match := _DECIMAL.fullmatch(kind):
        return _Column(number, name, pa.decimal128(int(match[1]), int(match[2])), default)
    if kind in ("struct", "list", "map"):
        _require(default is None, f"a default of a nested column: {name}")
        return _Column(number, name, pa.null(), None, is_nested=True)
    _require(kind in _SCALARS, f"a column of the type {kind}: {name}")
    return _Column(number, name, _SCALARS[kind], default)


def _cells(batch: pa.RecordBatch, place: int | None, column: _Column, type_: pa.DataType) -> pa.Array:
    if place is None:
        return _default(column, batch.num_rows, type_)
    found = batch.column(place)
    if pa.types.is_string(type_) and pa.types.is_fixed_size_binary(found.type):
        return pa.array([None if one is None else _uuid_text(one) for one in found.to_pylist()], pa.string())
    if isinstance(found, pa.ExtensionArray):
        found = found.storage
        return _cells(pa.RecordBatch.from_arrays([found], ["x"]), 0, column, type_)
    return found.cast(type_)


def _uuid_text(data: bytes) -> str:
    from uuid import UUID

    return str(UUID(bytes=data))


def _default(column: _Column, n_rows: int, type_: pa.DataType) -> pa.Array:
    if column.default is None:
        return pa.nulls(n_rows, type_)
    value = _of_values([column.default], column, type_)[0]
    return pa.repeat(value, n_rows)


def _asked(column: _Column) -> str:
    name = f'"{column.name.replace(chr(34), chr(34) * 2)}"'
    return name if any(is_such(column.type) for is_such in _RAW) else f"CAST({name} AS VARCHAR)"


def _of_values(values: Sequence[Any], column: _Column, type_: pa.DataType) -> pa.Array:
    """Cells of the catalog: as they are, or as text."""
    _require(not column.is_nested, f"rows in the catalog with a nested column: {column.name}")
    if pa.types.is_binary(type_):
        return pa.array(values, type_)
    if pa.types.is_boolean(type_):
        return pa.array([None if one is None else str(one).lower() in ("1", "true", "t") for one in values], type_)
    texts = pa.array([None if one is None else str(one) for one in values], pa.string())
    if pa.types.is_timestamp(type_) and type_.tz:
        # an offset of whole hours has no minutes
        texts = pc.replace_substring_regex(texts, r"([+-]\d\d)$", r"\1:00")
    return texts if pa.types.is_string(type_) else cast_text(texts, type_)


def _without_metadata(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(one.name, _without_metadata(one.type)) for one in type_])
    if pa.types.is_map(type_):
        return pa.map_(_without_metadata(type_.key_type), _without_metadata(type_.item_type))
    return pa.list_(_without_metadata(type_.value_type)) if pa.types.is_list(type_) else type_


def _require(is_known: bool, what: str) -> None:
    if not is_known:
        hint = "leave the table out with `exclude` in the lake section of the config"
        raise SourceError("a table of DuckLake cannot be read", value=what, hint=hint)


def _short(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if "." in name or '"' in name or not name else name

"""Reads a whole table of the lake: cells by leaf, rows by file path; plain files are pinned by their digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import PlanError, SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split, open_parquet, source_errors
from lakebed.connectors.lake.delta_live import live_rows_of
from lakebed.connectors.lake.delta_metadata import delta_traits
from lakebed.connectors.lake.delta_rows import rows_of
from lakebed.connectors.lake.files import local_path, open_file
from lakebed.connectors.lake.footer import ParquetTraits, parquet_traits, wide_timestamps
from lakebed.connectors.lake.leaves import LeafArray, path_of, schema_leaves
from lakebed.connectors.lake.read import is_constant, partition_scalar, read_delta, read_open, read_split
from lakebed.connectors.lake.type_text import type_from_text
from lakebed.connectors.storage import is_object_store, join_uri
from lakebed.tasks.retention.recipes.shapes import joined, leaf_refs, schema_from_text, schema_to_text
from lakebed.tasks.retention.recipes.text import NOT_PLAIN, TextTable, read_text
from lakebed.tasks.retention.recipes.traits import Traits
from lakebed.tasks.runtime.keys import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from deltalake import DeltaTable

    from lakebed.connectors.lake.config import LakeConfig
    from lakebed.tasks.retention.recipes.model import FileRef, TableRef

GroupChoice = Callable[[pq.ParquetFile], tuple[int, ...]]
_DIGEST_BLOCK = 1 << 22


class TableReader:
    """One version of one table. What is read is kept while the reader lives; plain files are read once, as a whole.

    Args:
        lake: how the lake is read.
        ref: the table; where it names digests, files that differ are refused.

    Raises (all methods):
        PlanError: if the table is not the version that `ref` names.
        SourceError: if it cannot be read.
    """

    def __init__(self, lake: LakeConfig, ref: TableRef) -> None:
        self.lake, self._given = lake, ref
        self._counter = ReadCounter()
        self._bytes: dict[str, bytes] = {}
        self._digests: dict[str, str] = {}
        self._cells: dict[str, LeafArray] = {}
        self._has_whole_timestamps = False
        self._schema: pa.Schema | None = None
        self._text: TextTable | None = None
        self._delta: DeltaTable | None = None

    def again(self, ref: TableRef) -> TableReader:
        """A new reader of the same table under another reference, which opens no plain file a second time."""
        reader = TableReader(self.lake, ref)
        reader._bytes, reader._digests = dict(self._bytes), dict(self._digests)
        for file in ref.files:
            if file.sha256 not in ("", self._digests.get(file.path, "")):
                raise moved_error(ref.name, file.path)
        return reader

    @property
    def n_bytes_read(self) -> int:
        """Bytes of data read so far."""
        return self._counter.n_bytes

    @property
    def schema(self) -> pa.Schema:
        """The whole schema, partition columns included."""
        if self._schema is None:
            self._schema = schema_from_text(self._given.schema_ipc) if self._given.schema_ipc else self._own_schema()
        return self._schema

    def describe(self) -> TableRef:
        """The reference with schema, leaves, digests and dialect filled in."""
        files = self._given.files
        if not self._is_versioned:
            files = tuple(file.model_copy(update={"sha256": self._digest(file)}) for file in files)
        partitions = set(self._given.partition_columns)
        return self._given.model_copy(
            update={
                "files": files,
                "schema_ipc": schema_to_text(self.schema),
                "leaves": leaf_refs(self.schema, partitions, self.lake.ignore_column_case),
                "dialect": self._texts().dialect if self._given.read_via == "text" else None,
            }
        )

    def require_writable(self) -> None:
        """Refuses what could not be written again as it is; as a parent it will do.

        That is text in no plain form, and files with other values of a partition column than their paths have, which
        no reader sees.
        """
        if self._given.read_via == "text":
            if why := self._texts().not_plain:
                raise SourceError(NOT_PLAIN, value=why)
        elif self._given.format == "parquet":
            for file, constants in zip(self._given.files, self._constants(), strict=True):
                self._require_as_in_path(file, {str(path_of(token)[0]): one for token, one in constants.items()})

    def _require_as_in_path(self, file: FileRef, constants: Mapping[str, pa.Scalar]) -> None:
        if not constants:
            return
        with source_errors(file.path):
            opened = self._parquet(file)
            held = [name for name in constants if name in opened.schema_arrow.names]
            table = opened.read(columns=held) if held else pa.table({})
        for name in held:
            if not is_constant(table[name], constants[name]):
                raise SourceError(
                    "a file holds other values of a partition column than its path has",
                    value=f"{name} in {file.path}",
                    expected=f"{constants[name]} in each row",
                )

    def require_whole_timestamps(self) -> None:
        """Refuses a table with timestamps of 96 bits that Arrow reads as other ones."""
        for file in self._given.files if self._given.read_via != "text" and not self._has_whole_timestamps else ():
            with source_errors(file.path):
                column = wide_timestamps(self._source(file))
            if column:
                raise SourceError(
                    "INT96 timestamps before 1677 or after 2262 cannot be read without loss",
                    value=f"{column} in {file.path}",
                    expected="timestamps that 64 bits of nanoseconds hold",
                )
        self._has_whole_timestamps = True

    def cells(self, tokens: Sequence[str]) -> dict[str, LeafArray]:
        """The cells of the given leaves, over all files in the order of their paths."""
        wanted = [token for token in tokens if token not in self._cells]
        if wanted:
            types = {leaf.token: leaf.type for leaf in schema_leaves(self.schema, self.lake.ignore_column_case)}
            parts = list(self.batches(wanted))
            for token in wanted:
                self._cells[token] = joined([part[token] for part in parts], types[token])
        return {token: self._cells[token] for token in tokens}

    def batches(self, tokens: Sequence[str], groups: GroupChoice | None = None) -> Iterator[Mapping[str, LeafArray]]:
        """The cells of the given leaves, batch by batch, in the types that their files give them.

        Args:
            tokens: of the leaves.
            groups: which row groups of a plain Parquet file are read; None: all.
        """
        if self._given.read_via == "text":
            yield from self._texts().batches(tokens, self._constants())
        elif self._given.format == "delta":
            yield from self._delta_batches(tokens)
        elif self._given.format == "iceberg":
            yield from self._iceberg_batches(tokens)
        else:
            for file in self._given.files:
                with source_errors(file.path):
                    opened = self._parquet(file)
                    ignore_case = self.lake.ignore_column_case
                    split = replace(self._split(file), row_groups=groups(opened) if groups else None)
                    yield from read_open(opened, split, tokens, self._chunks(), ignore_case=ignore_case)

    def _chunks(self) -> ReadCounter:
        """What counts column chunks: nothing, where whole files were counted."""
        return ReadCounter()

    def _delta_batches(self, tokens: Sequence[str]) -> Iterator[Mapping[str, LeafArray]]:
        rows = rows_of(self.opened(), self.lake.ignore_column_case)
        for file in self._given.files:
            if "://" in file.path or file.path.startswith("/"):
                raise SourceError("a file of the Delta table lies outside the lake", value=file.path)
            yield from read_delta(self.lake.root, self._split(file), tokens, self._counter, rows, as_stored=True)

    def _iceberg_batches(self, tokens: Sequence[str]) -> Iterator[Mapping[str, LeafArray]]:
        from lakebed.connectors.lake.iceberg.live import file_readings

        noted = {file.path: (file.n_rows, dict(file.casts)) for file in self._given.files}
        readings = file_readings(self.lake.root, self._given.path, noted)
        for file, reading in zip(self._given.files, readings, strict=True):
            split = replace(self._split(file), iceberg=reading.to_text())
            yield from read_split(
                self.lake.root, split, tokens, self._counter, ignore_case=self.lake.ignore_column_case
            )

    @property
    def _is_versioned(self) -> bool:
        """Whether a log or metadata says which files are the table's, none of which ever changes."""
        return self._given.format in ("delta", "iceberg")

    def _own_schema(self) -> pa.Schema:
        given = self._given
        if given.read_via == "text":
            return self._with_partitions(self._texts().schema([leaf.token for leaf in given.leaves]))
        if given.format == "delta":
            return pa.schema(self.opened().schema().to_arrow())
        if given.format == "iceberg":
            from lakebed.connectors.lake.iceberg.live import plain_schema

            return plain_schema(self.lake.root, given.path, [dict(file.casts) for file in given.files])
        schemas = []
        for file in given.files:
            with source_errors(file.path):
                schemas.append(self._parquet(file).schema_arrow)
        first = schemas[0]
        if all(schema.equals(first, check_metadata=True) for schema in schemas[1:]):
            return self._with_partitions(first)
        try:
            united = pa.unify_schemas(schemas, promote_options="permissive")
        except pa.ArrowException as error:
            raise SourceError("the files' types have none in common", value=f"{given.name}: {error}") from error
        return self._with_partitions(united)

    def _with_partitions(self, schema: pa.Schema) -> pa.Schema:
        types = {leaf.token: leaf.type for leaf in self._given.leaves if leaf.is_partition}
        names = {token: str(path_of(token)[0]) for token in self._given.partition_columns}
        fields = [field for field in schema if field.name not in names.values()]
        fields += [pa.field(names[token], type_from_text(types[token])) for token in self._given.partition_columns]
        return pa.schema(fields, schema.metadata)

    def _constants(self) -> list[dict[str, pa.Scalar]]:
        """For each file its partition columns' values."""
        types = {leaf.token: leaf.type for leaf in self._given.leaves}
        return [
            {token: partition_scalar(text, types[token]) for token, text in file.partition_values}
            for file in self._given.files
        ]

    def _split(self, file: FileRef) -> Split:
        types = {leaf.token: leaf.type for leaf in self._given.leaves}
        values = tuple((token, text, types[token]) for token, text in file.partition_values)
        return Split(0, 0, file.path, "parquet", None, values, (), file.n_rows, file.size)

    def opened(self) -> DeltaTable:
        """The Delta table, at the version that the reference names.

        Where the log no longer reaches back to it, the newest version serves, as long as it reads the same rows of
        every file that the reference names.
        """
        if self._delta is None:
            from deltalake.exceptions import DeltaError

            from lakebed.connectors.delta import open_table

            path, version = "" if self._given.path == "." else self._given.path, self._given.delta_version
            table = open_table(join_uri(self.lake.root, path))
            if version not in (None, table.version()):
                try:
                    table.load_as_version(version)
                except DeltaError:
                    table = open_table(join_uri(self.lake.root, path))
                    self._require_live(live_rows_of(table, path))
            self._delta = table
        return self._delta

    def _require_live(self, live: Mapping[str, int | None]) -> None:
        for file in self._given.files:
            if live.get(file.path, -1) not in (None, file.n_rows):
                raise moved_error(self._given.name, file.path)

    def _texts(self) -> TextTable:
        if self._text is None:
            for file in self._given.files:
                self._digest(file)
            self._text = read_text(self.lake, self._given)
        return self._text

    def _parquet(self, file: FileRef) -> pq.ParquetFile:
        return open_parquet(self._source(file))

    def _source(self, file: FileRef) -> pa.NativeFile:
        is_held = not self._is_versioned
        return pa.BufferReader(self._whole(file)) if is_held else open_file(self.lake.root, file.path, file.size)

    def _digest(self, file: FileRef) -> str:
        self._whole(file)
        return self._digests[file.path]

    def _whole(self, file: FileRef) -> bytes:
        """The bytes of a plain file, the first time checked against what the reference says."""
        if file.path not in self._bytes:
            with source_errors(file.path), open_file(self.lake.root, file.path, file.size) as stream:
                data = stream.read()
            self._counter.n_bytes += len(data)
            self._digests[file.path] = hashlib.sha256(data).hexdigest()
            if len(data) != file.size or file.sha256 not in ("", self._digests[file.path]):
                raise moved_error(self._given.name, file.path)
            self._bytes[file.path] = data if self._given.read_via != "text" else b""
        return self._bytes[file.path]


class StreamReader(TableReader):
    """The same for tables that do not fit into memory: it holds no file, and `batches` reads as far as it is asked.

    Args:
        lake, ref: as of a `TableReader`.
        counter: of the bytes read, where several readers share one.
        by_mark: whether a file that this process has digested is taken for the same while size, time and inode are.
    """

    def __init__(
        self, lake: LakeConfig, ref: TableRef, counter: ReadCounter | None = None, *, by_mark: bool = False
    ) -> None:
        super().__init__(lake, ref)
        self._counter, self._by_mark = counter or self._counter, by_mark

    def _chunks(self) -> ReadCounter:
        return self._counter

    def _source(self, file: FileRef) -> pa.NativeFile:
        return open_file(self.lake.root, file.path, file.size)

    def _digest(self, file: FileRef) -> str:
        with source_errors(file.path):
            mark = file_mark(self.lake.root, file.path) if self._by_mark else None
            n_read = _marked_digest.cache_info().misses
            if mark is None:
                n_bytes, digest = _read_digest(self.lake.root, file.path)
            else:
                n_bytes, digest = _marked_digest(self.lake.root, file.path, mark)
            if mark is None or _marked_digest.cache_info().misses > n_read:
                self._counter.n_bytes += n_bytes
        if n_bytes != file.size or file.sha256 not in ("", digest):
            raise moved_error(self._given.name, file.path)
        return digest


def file_mark(root: str, path: str) -> tuple[int, int, int] | None:
    """Size, time of change and inode of a local file; None on an object store."""
    if is_object_store(root) and not path.startswith("/"):
        return None
    found = os.stat(local_path(root, path))
    return found.st_size, found.st_mtime_ns, found.st_ino


def _read_digest(root: str, path: str) -> tuple[int, str]:
    """Bytes of a file, and their SHA-256."""
    with open_file(root, path) as stream:
        digest, n_bytes = hashlib.sha256(), 0
        while block := stream.read(_DIGEST_BLOCK):
            digest.update(block)
            n_bytes += len(block)
    return n_bytes, digest.hexdigest()


@lru_cache(maxsize=1 << 14)
def _marked_digest(root: str, path: str, mark: tuple[int, int, int]) -> tuple[int, str]:
    """The same of a file with a mark; what changed under it is noticed when a plan is made."""
    del mark
    return _read_digest(root, path)


def moved_error(table: str, path: str) -> PlanError:
    """The error of a file that is not the one that was meant."""
    return PlanError(
        f"{table} has changed since the recipe was made", value=path, expected="the same bytes", hint="lakebed plan"
    )


def table_traits(lake: LakeConfig, ref: TableRef) -> Traits:
    """The traits of a table of the lake; its dialect is that of the reference, which `describe` has completed.

    Raises:
        SourceError: if a footer or the log cannot be read.
    """
    partitions = ref.partition_columns
    if ref.format == "delta":
        return Traits(partitions, delta=delta_traits(TableReader(lake, ref).opened()))
    if ref.dialect is not None:
        return Traits(partitions, text=canonical_json(ref.dialect))
    return _united(partitions, [_file_traits(lake, file.path, file.size) for file in ref.files])


def _file_traits(lake: LakeConfig, path: str, size: int) -> ParquetTraits:
    with source_errors(path), open_file(lake.root, path, size) as source:
        return parquet_traits(source)


def _united(partitions: tuple[str, ...], footers: Sequence[ParquetTraits]) -> Traits:
    numbers = {footer: number for number, footer in enumerate(dict.fromkeys(footers))}
    return Traits(partitions, tuple(numbers), tuple(numbers[footer] for footer in footers))

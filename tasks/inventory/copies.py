"""Copies of tables of databases and catalogs, which no later stage asks for a row again."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.lake.parquet import read_footers
from lakebed.connectors.lake.statistics import FileFacts
from lakebed.connectors.storage import Storage
from lakebed.tasks.inventory.kernel import TableFacts
from lakebed.tasks.runtime.progress import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.connectors.lake.direct import DirectRead
    from lakebed.connectors.lake.hudi import HudiRead

STAGED = "staged"
_GROUP_ROWS, _GROUP_BYTES = 1 << 17, 1 << 25


@dataclass
class StagedTables:
    """Tables as they were staged, by name; for the others why not.

    `refused` are those whose cells cannot be compared: that stays so as long as they are what they are.
    """

    files: dict[str, list[FileFacts]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    errors: dict[str, SourceError] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    bytes_read: int = 0
    peak_worker_bytes: int = 0

    def enter(
        self, name: str, paths: list[str], place: "StagingPlace", *, ignore_case: bool, notes: tuple[str, ...] = ()
    ) -> None:
        """Takes a table's copies in, with what their footers say, and what was not plain in reading it.

        Raises:
            SourceError: if a copy cannot be read.
        """
        sizes = [place.storage.stat(f"{place.path}/{path}") for path in paths]
        entries = [FileEntry(path, size.size if size else 0, 0) for path, size in zip(paths, sizes, strict=True)]
        footers = read_footers(place.uri, entries, 1, ignore_case=ignore_case)
        self.files[name] = [replace(_facts(name, number, footer), notes=notes) for number, footer in enumerate(footers)]
        self.paths += paths


@dataclass(frozen=True)
class StagingPlace:
    """The folder of an artifact: the storage it lies in, and its path there."""

    storage: Storage
    path: str

    @property
    def uri(self) -> str:
        """Of the folder."""
        return self.storage.uri(self.path)


def stage_directly(
    reads: "Sequence[DirectRead | HudiRead]", place: StagingPlace, result: StagedTables, *, ignore_case: bool
) -> None:
    """Reads tables in this process, each row once, and writes them as Parquet below `staged/`; what fails is noted.

    Args:
        reads: of the tables, in one snapshot for each database.
        place: the artifact's folder.
        result: takes them in.
        ignore_case: whether column names that differ only in case are the same.
    """
    with shown().step(f"Reading {len(reads):,} tables of databases", len(reads)) as step:
        for read in reads:
            path = f"{staged_folder(read.name)}/00000.parquet"
            try:
                with StagedOutput(place.storage, f"{place.path}/{path}", read.schema) as output:
                    for batch in read.batches():
                        result.bytes_read += batch.nbytes
                        output.add(batch)
                result.enter(read.name, [path], place, ignore_case=ignore_case, notes=read.notes)
            except SourceError as error:
                place.storage.delete_folder(f"{place.path}/{staged_folder(read.name)}")
                result.errors[read.name] = error
            step.advance()


def facts_of(source: TableSource, staged: StagedTables) -> TableFacts:
    """The table as its copy tells it.

    Raises:
        SourceError: if it was not staged.
    """
    if error := staged.errors.get(source.name):
        raise error
    return TableFacts(source, staged.files[source.name], "staged")


def staged_folder(name: str) -> str:
    """Where a table's copy lies in the artifact; it depends on the table's name alone."""
    return f"{STAGED}/{hashlib.sha256(name.encode()).hexdigest()[:16]}"


class StagedOutput:
    """A Parquet file in row groups of a good size."""

    def __init__(self, storage: Storage, path: str, schema: pa.Schema) -> None:
        self._schema, self._waiting = schema, list[pa.RecordBatch]()
        self._stream = storage.open_output(path)
        self._writer = pq.ParquetWriter(self._stream, schema, compression="zstd", write_page_checksum=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        self._waiting.append(batch)
        rows, size = (sum(getattr(one, what) for one in self._waiting) for what in ("num_rows", "nbytes"))
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, schema=self._schema)
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
            self._waiting = []

    def __enter__(self) -> "StagedOutput":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        self._stream.close()


def _facts(name: str, number: int, footer: FileFacts | Unreadable) -> FileFacts:
    if isinstance(footer, Unreadable):
        raise SourceError("a staged copy cannot be read", value=footer.reason, hint="run the same command again")
    footer.staged_path, footer.path = footer.path, f"{name}/{number:05d}"
    return footer

"""Delta tables of our own: small ones through delta-rs, large ones through Spark, both read by both.

delta-rs commits a small table in a few milliseconds (0.2 s the first time), a Spark write costs 1.4-3 s.
Deletion vectors and column mapping are off on our own tables: readers without a JVM refuse them.
"""

import contextlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import ArtifactError, LakeError
from lakebed.connectors.object_client import delta_options, store_error
from lakebed.connectors.storage import Storage, is_object_store

if TYPE_CHECKING:
    from deltalake import DeltaTable, WriterProperties
    from deltalake.transaction import AddAction
    from pyarrow.dataset import FileSystemDataset
    from pyspark.sql import DataFrame

Writer = Literal["delta-rs", "spark", "workers"]

# up to here the driver may hold a result: it is collected as Arrow and committed by delta-rs
MAX_DRIVER_ROWS = 1_000_000
# a reader of a table's first rows need not decode the others
_GROUP_ROWS = 1 << 17

_PROPERTIES = {"delta.enableDeletionVectors": "false", "delta.columnMapping.mode": "none"}
_SPARK_ONLY = {"deletionVectors", "columnMapping"}
_SAFE_PATH = re.compile(r"[A-Za-z0-9_./=-]+")


@dataclass(frozen=True)
class WrittenTable:
    """What a write made: rows, bytes of the active files, their number, and who wrote them.

    `multisets` are the 32-byte multiset hashes of the files where the workers made them; then the
    table's digest needs no second read.
    """

    n_rows: int
    n_bytes: int
    n_files: int
    writer: Writer
    multisets: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class DataFile:
    """A Parquet file below a table's folder, written by a Spark worker; `multiset` as in `WrittenTable`."""

    path: str
    size: int
    n_rows: int
    multiset: bytes = b""


@dataclass(frozen=True, slots=True)
class ActiveFile:
    """A file that the newest version of a table reads: path below the table, bytes, rows."""

    path: str
    size: int
    n_rows: int


def write_table(uri: str, table: pa.Table) -> WrittenTable:
    """Write a small table as one commit of delta-rs.

    Raises:
        ArtifactError: if a table lies there already, or the folder cannot be written.
    """
    from deltalake import write_deltalake

    try:
        write_deltalake(
            uri,
            table,
            mode="error",
            configuration=_PROPERTIES,
            writer_properties=_packed(),
            storage_options=delta_options(uri),
        )
    except Exception as error:
        raise _write_error(uri, error) from error
    return _written(uri, "delta-rs")


def _packed() -> "WriterProperties":
    """Zstandard over pages that are large and have no dictionaries: it finds what vectors, hashes and names repeat."""
    from deltalake import ColumnProperties, WriterProperties

    return WriterProperties(
        data_page_size_limit=8 << 20,
        data_page_row_count_limit=1 << 20,
        max_row_group_size=_GROUP_ROWS,
        compression="ZSTD",
        compression_level=3,
        default_column_properties=ColumnProperties(dictionary_enabled=False),
    )


def write_frame(uri: str, frame: "DataFrame") -> WrittenTable:
    """Write a large result through delta-spark.

    Raises:
        ArtifactError: if a table lies there already, or the folder cannot be written.
        SourceError: if Hadoop's connector for the store is missing.
    """
    from lakebed.connectors.spark.object_stores import require_connector, spark_uri

    require_connector(frame.sparkSession, uri)
    writer = frame.write.format("delta").mode("error").options(**_PROPERTIES, compression="zstd")
    try:
        writer.save(spark_uri(uri))
    except Exception as error:
        raise _write_error(uri, error) from error
    return _written(uri, "spark")


def commit_files(uri: str, schema: pa.Schema, files: Sequence[DataFile]) -> WrittenTable:
    """Make one Delta commit of Parquet files that Spark workers have written below `uri`.

    Files of a task that was tried twice, which nobody names here, stay outside the table.

    Raises:
        ArtifactError: if a file is missing or has another size, or a table lies there already.
    """
    from deltalake import Schema
    from deltalake.transaction import create_table_with_add_actions

    _require_files(uri, files)
    try:
        create_table_with_add_actions(
            uri,
            Schema.from_arrow(schema),
            [_add_action(file) for file in files],
            mode="error",
            configuration=_PROPERTIES,
            storage_options=delta_options(uri),
        )
    except Exception as error:
        raise _write_error(uri, error) from error
    return WrittenTable(
        n_rows=sum(file.n_rows for file in files),
        n_bytes=sum(file.size for file in files),
        n_files=len(files),
        writer="workers",
        multisets=tuple(file.multiset for file in files) if all(file.multiset for file in files) else (),
    )


def read_table(uri: str, columns: Sequence[str] | None = None, below: tuple[str, int] | None = None) -> pa.Table:
    """Read a table without a JVM.

    Args:
        uri: of the table.
        columns: all where none are named.
        below: a column and a number; rows that are below it there, and of row groups only those that have such rows.

    Raises:
        ArtifactError: if there is no table, or it uses features that need Spark.
    """
    with _readable(uri):
        chosen = None if below is None else pc.field(below[0]) < below[1]
        return _dataset(uri).to_table(columns=None if columns is None else list(columns), filter=chosen)


def iterate_table(uri: str, columns: Sequence[str] | None = None, n_rows: int = 65536) -> Iterator[pa.RecordBatch]:
    """The batches of a table, at most `n_rows` rows each, without holding it whole."""
    with _readable(uri):
        yield from _dataset(uri).to_batches(columns=None if columns is None else list(columns), batch_size=n_rows)


_LOG, _COMMIT, _STALE_HINT = "_delta_log", re.compile(r"(\d{20})\.json"), "_last_checkpoint hint"


def open_table(uri: str) -> "DeltaTable":
    """The newest version of a table.

    Raises:
        ArtifactError: if there is none, or its log is damaged.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(uri, storage_options=delta_options(uri))
    except (DeltaError, OSError) as error:
        if _STALE_HINT in str(error):
            return _open_without_hint(uri)
        raise _typed(uri, error, "open the Delta table") from error


def _open_without_hint(uri: str) -> "DeltaTable":
    """The newest version by the names of the log, where `_last_checkpoint`, a mere hint, names what is not there."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    names = [file.path.removeprefix(f"{_LOG}/") for file in Storage.at(uri).list_files(_LOG)]
    versions = [int(match[1]) for name in names if (match := _COMMIT.fullmatch(name))]
    try:
        return DeltaTable(uri, version=max(versions, default=0), storage_options=delta_options(uri))
    except (DeltaError, OSError) as error:
        raise _typed(uri, error, "open the Delta table") from error


def active_files(uri: str) -> tuple[ActiveFile, ...]:
    """The files of the newest version, by path."""
    actions = pa.table(open_table(uri).get_add_actions(flatten=True)).select(["path", "size_bytes", "num_records"])
    rows = zip(*(column.to_pylist() for column in actions.columns), strict=True)
    return tuple(sorted((ActiveFile(*row) for row in rows), key=lambda file: file.path))


def _dataset(uri: str) -> "FileSystemDataset":
    """The files of the newest version as one dataset.

    Through Arrow's own file system: delta-rs gives Arrow one made in Python, which Arrow's threads may let go of
    only after the interpreter has ended, and then the process aborts.
    """
    from pyarrow import dataset as ds

    table = open_table(uri)
    features = set(table.protocol().reader_features or ())
    if features & _SPARK_ONLY or table.metadata().partition_columns:
        raise ArtifactError(
            "cannot read the Delta table without Spark",
            value=f"{uri}: {', '.join(sorted(features & _SPARK_ONLY)) or 'partitions'}",
            expected="a table that lakebed has written",
        )
    filesystem, base = Storage.at(uri).arrow()
    paths = [f"{base}/{path}" for path in sorted(_paths(table))]
    return ds.FileSystemDataset.from_paths(
        paths, schema=pa.schema(table.schema().to_arrow()), format=ds.ParquetFileFormat(), filesystem=filesystem
    )


def _paths(table: "DeltaTable") -> list[str]:
    return cast("list[str]", pa.table(table.get_add_actions(flatten=True))["path"].to_pylist())


@contextlib.contextmanager
def _readable(uri: str) -> Iterator[None]:
    """Turn what a Delta reader raises into an ArtifactError."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise _typed(uri, error, "read the Delta table") from error


def _typed(uri: str, error: Exception, action: str) -> LakeError:
    if is_object_store(uri) and not isinstance(error, pa.ArrowException):
        return store_error(str(error), action, uri)
    return ArtifactError(f"cannot {action}: {error}", value=uri, hint="run the same command again")


def _written(uri: str, writer: Writer) -> WrittenTable:
    files = active_files(uri)
    return WrittenTable(sum(file.n_rows for file in files), sum(file.size for file in files), len(files), writer)


def _add_action(file: DataFile) -> "AddAction":
    from deltalake.transaction import AddAction

    stats = json.dumps({"numRecords": file.n_rows})
    return AddAction(file.path, file.size, {}, int(time.time() * 1000), True, stats)


def _require_files(uri: str, files: Sequence[DataFile]) -> None:
    sizes = {file.path: file.size for file in Storage.at(uri).list_files()}
    wrong = [file.path for file in files if sizes.get(file.path) != file.size]
    unsafe = [file.path for file in files if not _SAFE_PATH.fullmatch(file.path)]
    if wrong or unsafe:
        raise ArtifactError(
            f"{len(wrong or unsafe)} of {len(files)} data files cannot be committed",
            value=uri,
            expected="files of the stated size, named with letters, digits and _ . / = -",
            examples=wrong or unsafe,
            hint="run the same command again",
        )


def _write_error(uri: str, error: Exception) -> LakeError:
    if is_object_store(uri):
        return store_error(str(error), "write the Delta table", uri)
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    lower = str(error).lower()
    hint = "run the same command again"
    if "no space" in lower or "storagefull" in lower:
        text, hint = "the disk is full", "free some space, or choose another artifact root"
    elif "permission" in lower or "read-only" in lower:
        hint = "choose an artifact root that this user may write"
    return ArtifactError(f"cannot write the Delta table: {text}", value=uri, hint=hint)

"""Tables of databases and catalogs on their way to Parquet: one Spark job over all of them, a branch a table.

A database cannot be asked again for what it held, so its tables are read once, in the snapshot in which they were
listed, and staged like text: every stage sees the same rows, and the server is asked for them once.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from lakebed.connectors.errors import SourceError
from lakebed.connectors.linking import link_file
from lakebed.connectors.postgresql.cells import table_schema, typed_batch
from lakebed.connectors.postgresql.database import TableRead
from lakebed.connectors.spark.task_counts import counted_tasks
from lakebed.connectors.storage import Storage
from lakebed.tasks.inventory.copies import StagedOutput, StagedTables, StagingPlace, staged_folder
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.progress import shown

STAGED = "staged"
_PART_DDL = (
    "place int not null, partition int not null, path string not null, n_rows bigint not null, "
    "n_bytes bigint not null, peak_bytes bigint not null, error string not null"
)
_GROUP_ROWS, _GROUP_BYTES = 1 << 17, 1 << 25
_SPARK_ERRORS = (PySparkException, Py4JJavaError)
_CAUSE = re.compile(r"(?:PSQLException|SQLException|Exception): (.+)")


@dataclass(frozen=True)
class FrameRead:
    """A table that Spark reads in its own way: a view, or files of a format that only Spark knows."""

    name: str
    frame: DataFrame


Read: TypeAlias = "TableRead | FrameRead"


@dataclass(frozen=True)
class Part:
    """What one task has staged of a table; `error` instead where it failed."""

    place: int
    partition: int
    path: str
    n_rows: int
    n_bytes: int
    error: str


def stage_tables(
    session: SparkSession, reads: Sequence[Read], place: StagingPlace, *, ignore_case: bool
) -> StagedTables:
    """Reads the tables in one job and writes them as Parquet below `staged/`.

    If the job fails, each table is read by itself, so that the one at fault is found and the others are not lost.

    Args:
        session: to run in.
        reads: of the tables, by name.
        place: the artifact's folder.
        ignore_case: whether column names that differ only in case are the same.
    """
    result = StagedTables()
    with shown().step(f"Reading {len(reads):,} tables of databases and catalogs", _n_tasks(reads)) as step:
        with counted_tasks(session, step.advance):
            parts = _staged(session, list(enumerate(reads)), place, result)
    for number, read in enumerate(reads):
        own = sorted((part for part in parts if part.place == number), key=lambda part: part.partition)
        _finish(read, own, place, result, ignore_case=ignore_case)
    return result


def _n_tasks(reads: Sequence[Read]) -> int:
    queries = [query for read in reads if not isinstance(read, FrameRead) for query in read.queries]
    return sum(max(1, len(query.conditions)) for query in queries) + len(reads)


def _staged(
    session: SparkSession, reads: list[tuple[int, Read]], place: StagingPlace, result: StagedTables
) -> list[Part]:
    frames, good = [], []
    for number, read in reads:
        try:
            frames.append(_frame(session, number, read, place.uri))
            good.append((number, read))
        except _SPARK_ERRORS as error:
            result.errors[read.name] = _failure(error)
    if not frames:
        return []
    try:
        return _parts(reduce(DataFrame.union, frames), result)
    except _SPARK_ERRORS as error:
        if len(good) == 1:
            result.errors[good[0][1].name] = _failure(error)
            return []
    return [part for one in good for part in _staged(session, [one], place, result)]


def _parts(frame: DataFrame, result: StagedTables) -> list[Part]:
    rows = frame.toArrow().to_pylist()
    result.peak_worker_bytes = max([result.peak_worker_bytes, *(row.pop("peak_bytes") for row in rows)])
    result.bytes_read += sum(row["n_bytes"] for row in rows)
    return [Part(**row) for row in rows]


def _frame(session: SparkSession, number: int, read: Read, uri: str) -> DataFrame:
    """The branch of one table. Opening it asks the server for the types of the columns, and reads no row."""
    frame = read.frame if isinstance(read, FrameRead) else _table_frame(session, read)
    columns = None if isinstance(read, FrameRead) else read.columns
    schema = to_arrow_schema(frame.schema, timezone="UTC") if columns is None else table_schema(columns)
    folder = f"{staged_folder(read.name)}/parts"

    def stage(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        task, attempt = (context.partitionId(), context.taskAttemptId()) if context else (0, 0)
        typed = batches if columns is None else (typed_batch(batch, columns) for batch in batches)
        yield _write_part((number, task), f"{folder}/{task:06d}-{attempt}.parquet", uri, schema, typed)

    return frame.mapInArrow(stage, _PART_DDL)


def _table_frame(session: SparkSession, read: TableRead) -> DataFrame:
    options = dict(read.options)
    url, names = options.pop("url"), [f"c{place}" for place in range(len(read.columns))]
    frames = [
        session.read.jdbc(url, query.relation, predicates=list(query.conditions), properties=options)
        if query.conditions
        else session.read.jdbc(url, query.relation, properties=options)
        for query in read.queries
    ]
    return reduce(DataFrame.union, [frame.select(names) for frame in frames])


def _write_part(
    task: tuple[int, int], path: str, uri: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> pa.RecordBatch:
    """Writes what a task read; a cell that cannot be compared is told, and fails no other table."""
    n_rows = n_bytes = 0
    error = ""
    with StagedOutput(Storage.at(uri), path, schema) as writer:
        try:
            for batch in batches:
                n_rows, n_bytes = n_rows + batch.num_rows, n_bytes + batch.nbytes
                writer.add(batch.cast(schema))
        except SourceError as found:
            error = f"{found.what}: {found.value}"
    row = [*task, path, n_rows, n_bytes, peak_memory_bytes(), error]
    names = ["place", "partition", "path", "n_rows", "n_bytes", "peak_bytes", "error"]
    types = [pa.int32(), pa.int32(), pa.string(), pa.int64(), pa.int64(), pa.int64(), pa.string()]
    return pa.record_batch([pa.array([value], type_) for value, type_ in zip(row, types, strict=True)], names=names)


def _finish(read: Read, parts: Sequence[Part], place: StagingPlace, result: StagedTables, *, ignore_case: bool) -> None:
    """Gives the parts with rows their numbers; one without rows stands for an empty table."""
    if error := next((part.error for part in parts if part.error), ""):
        result.errors[read.name] = SourceError(error, hint="leave the table out with `exclude`")
        result.refused.add(read.name)
    if read.name in result.errors:
        place.storage.delete_folder(f"{place.path}/{staged_folder(read.name)}")
        return
    filled = [part for part in parts if part.n_rows] or list(parts[:1])
    paths = [f"{staged_folder(read.name)}/{number:05d}.parquet" for number in range(len(filled))]
    for part, path in zip(filled, paths, strict=True):
        link_file(place.storage, f"{place.path}/{part.path}", f"{place.path}/{path}")
    place.storage.delete_folder(f"{place.path}/{staged_folder(read.name)}/parts")
    result.enter(read.name, paths, place, ignore_case=ignore_case)


def _failure(error: Exception) -> SourceError:
    """What the server said, out of Spark's long text."""
    found = _CAUSE.findall(str(error))
    return SourceError(
        "it could not be read to its end",
        value=(found[-1] if found else str(error).splitlines()[0])[:300],
        expected="a server that keeps its connections until the table is read",
        hint="run the same command again",
    )

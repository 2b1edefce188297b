"""The Spark engine: one job of Python workers per work, by the DataFrame API alone.

Tasks travel as rows, one per partition; nothing is broadcast, and nothing asks the JVM behind a session.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakebed.connectors.spark.config import SparkConfig
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.scan.engine import Work

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def spark_errors() -> tuple[type[Exception], ...]:
    """What Spark raises when it cannot do what it was told."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    # the second is what Hadoop raises while a table is only being opened
    return PySparkException, Py4JJavaError


_TASKS = pa.schema([pa.field("number", pa.int32(), False), pa.field("task", pa.large_binary(), False)])


@dataclass(frozen=True)
class TableWork:
    """What is done with the rows of a Delta table that only Spark can read.

    Attributes:
        uri, version: of the table.
        columns: the top-level ones wanted.
        run: of its batches, under these names, makes batches of `schema`.
    """

    uri: str
    version: int
    columns: tuple[str, ...]
    run: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
    schema: pa.Schema
    ignore_case: bool = False


@dataclass(frozen=True)
class SparkEngine:
    """The process's shared session, started when the first work comes."""

    config: SparkConfig
    is_local = False

    @property
    def session(self) -> "SparkSession":
        """The session, once it has started."""
        from lakebed.connectors.spark.session import shared_session

        return shared_session(self.config).get()

    @property
    def n_workers(self) -> int:
        """Tasks that run at a time."""
        return self.session.sparkContext.defaultParallelism

    def start(self) -> None:
        """Begins the session, and returns at once."""
        from lakebed.connectors.spark.session import shared_session

        shared_session(self.config).start()

    def map(self, work: Work, tasks: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """As `Engine.map`."""
        yield from map_on(self.session, work, tasks).to_batches()

    def read_tables(self, works: Sequence[TableWork]) -> pa.Table:
        """The rows of all tables, from one job.

        Raises:
            SourceError: if Spark's connector for a store is missing.
        """
        from lakebed.connectors.spark.task_counts import counted_tasks

        session = self.session
        frames = [_table_frame(session, work) for work in works]
        with (
            shown().step(f"Reading {len(works):,} tables by Spark", len(works)) as step,
            counted_tasks(session, step.advance),
        ):
            return reduce(lambda one, other: one.union(other), frames).toArrow()


def _table_frame(session: "SparkSession", work: TableWork) -> "DataFrame":
    from pyspark.sql.pandas.types import from_arrow_schema

    from lakebed.connectors.spark.object_stores import read_delta

    frame = read_delta(session, work.uri, work.version)
    given = {name.casefold() if work.ignore_case else name: name.replace("`", "``") for name in frame.columns}
    columns, run = list(work.columns), work.run
    # mapInArrow resolves names anew, and takes a dot or a backtick in one for syntax: numbers meanwhile
    frame = frame.select(*(f"`{given[name]}`" for name in columns)).toDF(*map(str, range(len(columns))))

    def do(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from run(batch.rename_columns(columns) for batch in batches if batch.num_rows)

    return frame.mapInArrow(do, from_arrow_schema(work.schema))


def map_on(session: "SparkSession", work: Work, tasks: Sequence[Any]) -> pa.Table:
    """The rows of all tasks, from one job with a partition for each."""
    from pyspark.sql.pandas.types import from_arrow_schema

    from lakebed.connectors.spark.task_counts import counted_tasks

    rows = pa.table(
        [pa.array(range(len(tasks)), pa.int32()), pa.array(map(pickle.dumps, tasks), pa.large_binary())], schema=_TASKS
    )
    run = work.run

    def do(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for task in batch.column(1).to_pylist():
                yield from run(pickle.loads(task))  # noqa: S301 - what the driver has sent

    frame = session.createDataFrame(rows).repartitionById(len(tasks), "number")
    done = frame.mapInArrow(do, from_arrow_schema(work.schema))
    with shown().step(work.title, len(tasks)) as step, counted_tasks(session, step.advance):
        return done.toArrow()

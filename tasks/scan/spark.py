"""The Spark engine: one job of Python workers per work, by the DataFrame API alone.

Tasks travel as rows, one per partition; nothing is broadcast, and nothing asks the JVM behind a session.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakebed.connectors.errors import SourceError, first_line
from lakebed.connectors.spark.config import SparkConfig
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.scan.engine import Work

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


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
        from lakebed.connectors.spark.connect import n_cores

        return n_cores(self.session)

    def start(self) -> None:
        """Begins the session, and returns at once."""
        from lakebed.connectors.spark.session import shared_session

        shared_session(self.config).start()

    def map(self, work: Work, tasks: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """As `Engine.map`."""
        yield from map_on(self.session, work, tasks).to_batches()

    def read_table(self, work: TableWork) -> pa.Table:
        """The rows of a table that only Spark can read, from a job of its own: such tables are few.

        Raises:
            SourceError: if Spark cannot read it, or its connector for the store is missing.
        """
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        session = self.session
        try:
            with shown().step(f"Reading {work.uri} by Spark"):
                return _table_frame(session, work).toArrow()
        except (PySparkException, Py4JJavaError) as error:
            # the second is what Hadoop raises while a table is only being opened
            raise SourceError("Spark cannot read it", value=first_line(error)) from error


def _table_frame(session: "SparkSession", work: TableWork) -> "DataFrame":
    from pyspark.sql.pandas.types import from_arrow_schema

    from lakebed.connectors.spark.connect import portable
    from lakebed.connectors.spark.object_stores import read_delta

    frame = read_delta(session, work.uri, work.version)
    given = {name.casefold() if work.ignore_case else name: name.replace("`", "``") for name in frame.columns}
    columns, run = list(work.columns), work.run
    # mapInArrow resolves names anew, and takes a dot or a backtick in one for syntax: numbers meanwhile
    frame = frame.select(*(f"`{given[name]}`" for name in columns)).toDF(*map(str, range(len(columns))))

    def do(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from run(batch.rename_columns(columns) for batch in batches if batch.num_rows)

    return frame.mapInArrow(portable(session, do), from_arrow_schema(work.schema))


def map_on(session: "SparkSession", work: Work, tasks: Sequence[Any]) -> pa.Table:
    """The rows of all tasks, from one job with a partition for each."""
    from pyspark.sql.pandas.types import from_arrow_schema

    from lakebed.connectors.spark.connect import portable
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
    done = frame.mapInArrow(portable(session, do), from_arrow_schema(work.schema))
    with shown().step(work.title, len(tasks)) as step, counted_tasks(session, step.advance):
        return done.toArrow()

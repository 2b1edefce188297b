"""Numbered tasks as one Spark job: what they share is sent to each worker once."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from lakebed.connectors.spark.task_counts import counted_tasks

Work = Callable[[Any, int], Iterable[pa.RecordBatch]]
"""What a worker does: of what is shared and the number of a task it makes rows."""


def task_frame(session: SparkSession, shared: Any, n_tasks: int, work: Work, ddl: str) -> DataFrame:
    """The rows of all tasks, one per partition; `shared` is a broadcast, `ddl` describes the rows."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from work(shared.value, number)

    return session.range(0, n_tasks, 1, n_tasks).mapInArrow(run, ddl)


def run_tasks(
    session: SparkSession, shared: Any, n_tasks: int, work: Work, ddl: str, advance: Callable[[int], None]
) -> pa.Table:
    """Runs all tasks and brings their rows; `advance` is told how many have finished since the last call."""
    sent = session.sparkContext.broadcast(shared)
    try:
        with counted_tasks(session, advance):
            return task_frame(session, sent, n_tasks, work, ddl).toArrow()
    finally:
        sent.destroy()

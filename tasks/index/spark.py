"""Shards built side by side by Spark, one task and one thread each."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import SparkSession

from lakebed.connectors.spark.task_counts import counted_tasks
from lakebed.tasks.index.folder import ShardHead, ShardWork, build_one
from lakebed.tasks.runtime.progress import shown

_DDL = "number int not null, head string not null"


def build_on_spark(session: SparkSession, works: Sequence[ShardWork]) -> list[ShardHead]:
    """Builds every shard in one job; the same files as `build_here` makes.

    Raises: ArtifactError: as `build_one`.
    """
    sent = session.sparkContext.broadcast(list(works))

    def build(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                head = build_one(sent.value[number]).model_dump_json()
                yield pa.record_batch([pa.array([number], pa.int32()), pa.array([head])], names=["number", "head"])

    frame = session.range(0, len(works), 1, len(works)).mapInArrow(build, _DDL)
    try:
        with shown().step(f"Building {len(works):,} shards", len(works)) as step, counted_tasks(session, step.advance):
            rows = frame.toArrow().sort_by("number")
    finally:
        sent.destroy()
    return [ShardHead.model_validate_json(text) for text in rows["head"].to_pylist()]

"""Synthesises and executes the recipes of any number of pairs in one Spark job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakebed.connectors.spark.task_counts import counted_tasks
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.retention.recipes.pairs import pack_pairs, solve_pairs
from lakebed.tasks.runtime.progress import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.pairs import PairRefs

OUTCOME_DDL = "number int not null, outcome string not null"


def synthesise_on_spark(session: SparkSession, context: RecipeContext, pairs: Sequence[PairRefs]) -> list[Outcome]:
    """An outcome for each pair, in the order given, from one job over all of them.

    Pairs with a table above `max_table_bytes` do not fit into a worker; Spark itself finds and executes their recipes,
    in a few jobs each.

    Args:
        session: to run in.
        context: lake, folder of row numbers, key, limits; the folder must be one that all workers reach.
        pairs: of references as `table_refs` gives them.
    """
    outcomes: dict[int, Outcome] = {}
    large = [number for number, pair in enumerate(pairs) if pair.largest_bytes > context.config.max_table_bytes]
    small = [number for number in range(len(pairs)) if number not in set(large)]
    if small:
        outcomes |= _in_workers(session, context, pairs, small)
    for number in large:
        from lakebed.tasks.retention.recipes.large import synthesise_large

        outcomes[number] = synthesise_large(session, context, pairs[number])
    return [outcomes[number] for number in range(len(pairs))]


def _in_workers(
    session: SparkSession, context: RecipeContext, pairs: Sequence[PairRefs], numbers: Sequence[int]
) -> dict[int, Outcome]:
    chosen = [pairs[number] for number in numbers]
    tasks = pack_pairs(chosen, session.sparkContext.defaultParallelism, context.config.task_bytes)
    sent = session.sparkContext.broadcast((context, chosen, tasks))

    def solve(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for task in batch.column(0).to_pylist():
                held_context, held_pairs, held_tasks = sent.value
                yield from solve_pairs(held_context, held_pairs, held_tasks[task])

    frame = session.range(0, len(tasks), 1, len(tasks)).mapInArrow(solve, OUTCOME_DDL)
    with (
        shown().step(f"Rebuilding {len(chosen):,} tables to compare", len(tasks)) as step,
        counted_tasks(session, step.advance),
    ):
        rows = frame.toArrow().to_pylist()
    sent.destroy()
    return {numbers[row["number"]]: Outcome.model_validate_json(row["outcome"]) for row in rows}

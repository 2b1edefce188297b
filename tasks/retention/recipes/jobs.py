"""Synthesises and executes the recipes of any number of pairs as one work of an engine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lakebed.tasks.retention.recipes.model import Outcome, Refusal
from lakebed.tasks.retention.recipes.pairs import OUTCOME_SCHEMA, pack_pairs, refused, solve_pairs
from lakebed.tasks.scan.engine import Work, collect
from lakebed.tasks.scan.spark import SparkEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.pairs import PairRefs
    from lakebed.tasks.scan.engine import Engine


def synthesise_all(engine: Engine, context: RecipeContext, pairs: Sequence[PairRefs]) -> list[Outcome]:
    """An outcome for each pair, in the order given.

    Pairs with a table above `max_table_bytes` do not fit into a worker; Spark itself finds and executes their recipes,
    in a few jobs each, and without Spark they have none.

    Args:
        engine: that does it.
        context: lake, folder of row numbers, key, limits; the folder must be one that all workers reach.
        pairs: of references as `table_refs` gives them.
    """
    small = [number for number, pair in enumerate(pairs) if not is_large(context, pair)]
    outcomes = _in_workers(engine, context, pairs, small)
    for number in sorted(set(range(len(pairs))) - set(small)):
        outcomes[number] = _large(engine, context, pairs[number])
    return [outcomes[number] for number in range(len(pairs))]


def is_large(context: RecipeContext, pair: PairRefs) -> bool:
    """Whether a table of the pair does not fit into a worker."""
    return pair.largest_bytes > context.config.max_table_bytes


def _large(engine: Engine, context: RecipeContext, pair: PairRefs) -> Outcome:
    if isinstance(engine, SparkEngine):
        from lakebed.tasks.retention.recipes.large import synthesise_large

        return synthesise_large(engine.session, context, pair)
    limit = context.config.max_table_bytes
    reason = f"a table has {pair.largest_bytes:,} bytes, above `max_table_bytes` of {limit:,}: `--engine spark`"
    return refused(pair, Refusal(code="too_large", reason=reason))


def _in_workers(
    engine: Engine, context: RecipeContext, pairs: Sequence[PairRefs], numbers: Sequence[int]
) -> dict[int, Outcome]:
    chosen = [pairs[number] for number in numbers]
    shares = pack_pairs(chosen, engine.n_workers, context.config.task_bytes) if chosen else []
    work = Work(partial(solve_pairs, context), OUTCOME_SCHEMA, f"Rebuilding {len(chosen):,} tables to compare")
    tasks = [[(numbers[place], chosen[place]) for place in share] for share in shares]
    rows = collect(engine, work, tasks).to_pylist()
    return {row["number"]: Outcome.model_validate_json(row["outcome"]) for row in rows}

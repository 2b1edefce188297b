"""Synthesises and executes the recipes of any number of pairs as one work of an engine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.retention.recipes.pairs import OUTCOME_SCHEMA, needs_stream, pack_pairs, solve_pairs
from lakebed.tasks.scan.engine import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.pairs import PairRefs
    from lakebed.tasks.scan.engine import Engine


def synthesise_all(
    engine: Engine,
    context: RecipeContext,
    pairs: Sequence[PairRefs],
    done: Callable[[int, Outcome], object] = lambda number, outcome: None,
    until: float = 0.0,
) -> list[Outcome | None]:
    """An outcome for each pair, in the order given; None for those that were not begun in time.

    Those given first are begun first. A pair with large tables is read batch by batch, and is a task of its own; the
    others share what they read of one parent.

    Args:
        engine: that does it.
        context: lake, folder of row numbers, key, limits; the folder must be one that all workers reach.
        pairs: of references as `table_refs` gives them.
        done: told of each outcome as it comes, with the pair's number.
        until: time in seconds since 1970 after which no further pair is begun; 0: none.
    """
    large = [number for number, pair in enumerate(pairs) if needs_stream(context, pair)]
    small = sorted(set(range(len(pairs))) - set(large))
    shares = [[number] for number in large]
    if small:
        chosen = [pairs[number] for number in small]
        packed = pack_pairs(chosen, engine.n_workers, context.config.task_bytes)
        shares += [sorted(small[place] for place in share) for share in packed]
    tasks = [[(number, pairs[number]) for number in share] for share in sorted(shares)]
    outcomes: list[Outcome | None] = [None] * len(pairs)
    work = Work(
        partial(solve_pairs, context, until=until), OUTCOME_SCHEMA, f"Rebuilding {len(pairs):,} tables to compare"
    )
    for batch in engine.map(work, tasks) if tasks else ():
        for number, text in zip(*batch.to_pydict().values(), strict=True):
            outcomes[number] = Outcome.model_validate_json(text)
            done(number, outcomes[number])
    return outcomes

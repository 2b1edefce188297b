"""Synthesises and executes the recipes of any number of pairs as one work of an engine."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.retention.recipes.pairs import OUTCOME_SCHEMA, needs_stream, pack_pairs, solve_pairs
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.scan.engine import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.pairs import PairRefs
    from lakebed.tasks.scan.engine import Engine

_SAY_EVERY_S = 10.0


@dataclass
class Pace:
    """Says, every few seconds, what is being rebuilt, how far that is, and how long it may take yet."""

    pairs: Sequence[PairRefs]
    n_workers: int
    _left: dict[int, int] = field(init=False)
    _started: float = field(init=False, default_factory=time.monotonic)
    _said: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Nothing is done yet."""
        self._left = {number: pair.n_bytes for number, pair in enumerate(self.pairs)}

    def note(self, number: int) -> None:
        """One pair is done."""
        self._left.pop(number, None)
        now = time.monotonic()
        if self._left and now - self._said >= _SAY_EVERY_S:
            self._said = now
            shown().note(self.text(now - self._started))

    def text(self, seconds: float) -> str:
        """The line, after so many seconds."""
        total, left = sum(pair.n_bytes for pair in self.pairs), sum(self._left.values())
        n_done = len(self.pairs) - len(self._left)
        # those given first are begun first
        now = ", ".join(self.pairs[number].child.name for number in sorted(self._left)[: self.n_workers])
        rest = seconds * left / max(1, total - left)
        return (
            f"… {n_done:,} of {len(self.pairs):,} rebuilt, {(total - left) / 1e6:,.0f} of {total / 1e6:,.0f} MB of "
            f"tables, about {rest:,.0f} s left; now {now}"
        )


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
        until: time in seconds since 1970 after which no further pair is begun but the first; 0: none.
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
    pace = Pace(pairs, engine.n_workers)
    work = Work(
        partial(solve_pairs, context, until=until), OUTCOME_SCHEMA, f"Rebuilding {len(pairs):,} tables to compare"
    )
    for batch in engine.map(work, tasks) if tasks else ():
        for number, text in zip(*batch.to_pydict().values(), strict=True):
            outcomes[number] = outcome = Outcome.model_validate_json(text)
            pace.note(number)
            done(number, outcome)
    return outcomes

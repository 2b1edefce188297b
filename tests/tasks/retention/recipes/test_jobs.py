from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.retention.recipes.jobs import Pace, synthesise_all
from lakebed.tasks.retention.recipes.pairs import PairRefs
from lakebed.tasks.scan.engine import Work
from tests.tasks.retention.recipes.lakes import SmallLake

BASE = pa.table({"id": pa.array(range(1_000))})


@dataclass
class Here:
    """An engine that works in this process."""

    tasks: Sequence[object] = ()
    n_workers: int = 2
    is_local: bool = True

    def start(self) -> None:
        """Nothing has to be."""

    def map(self, work: Work, tasks: Sequence[object]) -> Iterator[pa.RecordBatch]:
        """The tasks one after the other."""
        self.tasks = tasks
        for task in tasks:
            yield from work.run(task)


def pairs_of(small: SmallLake) -> list[PairRefs]:
    small.put("parent", BASE)
    for n in range(4):
        small.put(f"c{n}", BASE.slice(n * 100, 100))
    return [PairRefs(small.ref(f"c{n}"), (small.ref("parent"),)) for n in range(4)]


def test_large_pairs_are_tasks_of_their_own_begun_in_the_order_given(tmp_path) -> None:
    small = SmallLake.at(tmp_path, RecipeConfig(max_table_bytes=1024))
    pairs, engine, told = pairs_of(small), Here(), []
    found = synthesise_all(engine, small.context, pairs, lambda number, outcome: told.append((number, outcome)))
    assert [[number for number, _ in task] for task in engine.tasks] == [[0], [1], [2], [3]]
    assert [outcome.child for outcome in found if outcome] == ["c0", "c1", "c2", "c3"]
    assert told == list(enumerate(found))


def test_after_the_time_the_first_is_tried_and_the_others_are_none(small: SmallLake) -> None:
    found = synthesise_all(Here(), small.context, pairs_of(small), until=1.0)
    assert [outcome is None for outcome in found] == [False, True, True, True]


def test_the_pace_says_what_how_far_and_how_long(small: SmallLake) -> None:
    pairs = pairs_of(small)
    pace = Pace(pairs, 2)
    pace.note(0)
    text = pace.text(10.0)
    assert "1 of 4 rebuilt" in text and "about 30 s left" in text and text.endswith("now c1, c2")

import pyarrow as pa

from lakebed.tasks.retention.recipes.model import FileRef, Outcome, TableRef
from lakebed.tasks.retention.recipes.pairs import PairRefs, pack_pairs, solve_pairs
from tests.tasks.retention.recipes.lakes import SmallLake


def table(name: str, n_bytes: int) -> TableRef:
    file = FileRef(path=name, size=n_bytes, n_rows=1)
    return TableRef(name=name, path=name, format="parquet", read_via="arrow", files=(file,), leaves=())


def test_pairs_of_one_parent_stay_together() -> None:
    parents = [table(f"p{n}", 1_000) for n in range(4)]
    pairs = [PairRefs(table(f"c{n}", 10), (parents[n % 4],)) for n in range(20)]
    tasks = pack_pairs(pairs, n_cores=2, task_bytes=10_000)
    assert sorted(number for task in tasks for number in task) == list(range(20))
    assert len(tasks) == 2
    homes = [{n for n, task in enumerate(tasks) for number in task if number % 4 == parent} for parent in range(4)]
    assert all(len(home) == 1 for home in homes)


def test_children_that_fill_a_task_are_shared_out() -> None:
    parent = table("p", 100)
    pairs = [PairRefs(table(f"c{n}", 1_000), (parent,)) for n in range(12)]
    tasks = pack_pairs(pairs, n_cores=2, task_bytes=4_000)
    assert len(tasks) >= 3
    assert max(map(len, tasks)) <= 6


def test_no_pairs_are_no_tasks() -> None:
    assert pack_pairs([], 2, 1_000) == []


def test_a_parent_is_read_once_for_all_its_children(small: SmallLake) -> None:
    base = pa.table({"id": pa.array(range(1_000))})
    small.put("p", base)
    for n in range(5):
        small.put(f"c{n}", base.slice(n * 100, 100))
    pairs = [PairRefs(small.ref(f"c{n}"), (small.ref("p"),)) for n in range(5)]
    first, *late = solve_pairs(small.context, list(enumerate(pairs)), until=1.0)
    assert first.column("number").to_pylist() == [0] and not late
    batches = solve_pairs(small.context, list(enumerate(pairs)))
    outcomes = [Outcome.model_validate_json(batch.column(1)[0].as_py()) for batch in batches]
    assert all(one.recipe for one in outcomes)
    assert sum(one.bytes_read for one in outcomes) == pairs[0].parents[0].n_bytes + sum(p.child.n_bytes for p in pairs)

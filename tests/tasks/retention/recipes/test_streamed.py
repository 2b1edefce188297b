"""The way of large tables, on small ones: every table is above a limit of one KiB."""

import os
import resource
import signal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, ParquetParts
from lakebed.data_samples.model import Layout
from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.retention.recipes.digest import digest_table
from lakebed.tasks.retention.recipes.model import Outcome, RowOrder
from lakebed.tasks.retention.recipes.pairs import PairRefs, solve_pairs
from lakebed.tasks.retention.recipes.streams import is_streamed
from lakebed.tasks.retention.recipes.synthesis import synthesise
from lakebed.tasks.retention.recipes.write import verify, write_rebuilt
from tests.tasks.retention.recipes.lakes import SmallLake

N = 3_000
PARENT = pa.table(
    {
        "id": pa.array(range(N)),
        "kind": [f"k{n % 5}" for n in range(N)],
        "x": [None if n % 97 == 0 else n / 4 for n in range(N)],
        "at": pa.array([n * 1_000_001 for n in range(N)], pa.timestamp("us", "UTC")),
        "o": pa.array([{"a.b": n % 50} for n in range(N)], pa.struct([("a.b", pa.int32())])),
    }
)
TWICE = pa.concat_tables([PARENT.slice(0, 2_000), PARENT.slice(0, 2_000)])


def solve(small: SmallLake, child: str, parent: str) -> Outcome:
    (batch,) = solve_pairs(small.context, [(0, PairRefs(small.ref(child), (small.ref(parent),)))])
    return Outcome.model_validate_json(batch.column(1)[0].as_py())


@pytest.fixture
def large(tmp_path: Path) -> SmallLake:
    return SmallLake.at(tmp_path, RecipeConfig(max_table_bytes=1024))


CASES = {
    "all": (PARENT.select(["x", "id", "o"]), PARENT, None),
    "range": (PARENT.slice(500, 1_000), PARENT, DeltaTable(2)),
    "in": (PARENT.filter(pc.is_in(PARENT["kind"], value_set=pa.array(["k1", "k4"]))), PARENT, DeltaTable()),
    "partition": (PARENT.filter(pc.equal(PARENT["kind"], "k3")), PARENT, HivePartitions(("kind",))),
    "conjunction": (
        PARENT.filter(pc.and_(pc.equal(PARENT["kind"], "k3"), pc.less(PARENT["id"], 1_600))), PARENT, None,
    ),
    "far": (PARENT.filter(pc.equal(PARENT["kind"], "k3")).drop_columns(["kind"]), PARENT, ParquetParts(3)),
    "far partition": (
        PARENT.filter(pc.equal(PARENT["kind"], "k3")).drop_columns(["kind"]), PARENT, HivePartitions(("kind",)),
    ),
    "positions": (PARENT.take([n for n in range(N) if n * n % 11 == 3]), PARENT, ParquetParts(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_what_memory_would_find_is_found_batch_by_batch(large: SmallLake, name: str) -> None:
    child, parent, layout = CASES[name]
    large.put("child", child)
    large.put("parent", parent, layout)
    streamed = solve(large, "child", "parent").recipe
    held = synthesise(large.context, large.ref("child"), [large.ref("parent")]).recipe
    assert streamed is not None and held is not None
    assert streamed.selector_shape == held.selector_shape
    assert streamed.digest == held.digest == digest_table(large.context, large.ref("child"))
    assert held.order.state in {streamed.order.state, "restored"}
    assert verify(large.context, streamed) is None


@pytest.mark.parametrize("layout", [None, ParquetParts(3), HivePartitions(("kind",)), DeltaTable(2)])
@pytest.mark.parametrize("name", ["range", "positions"])
def test_what_is_rebuilt_is_written_batch_by_batch_into_files_as_they_were(
    large: SmallLake, tmp_path: Path, name: str, layout: Layout | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakebed.connectors.lake.parquet_output.GROUP_ROWS", 100)
    monkeypatch.setattr("lakebed.connectors.lake.batches.MAX_BATCH_ROWS", 256)
    large.put("folder/child", CASES[name][0], layout)
    large.put("parent", PARENT)
    recipe = solve(large, "folder/child", "parent").recipe
    assert recipe is not None and is_streamed(large.context, recipe)
    written = write_rebuilt(large.context, recipe, str(tmp_path / "out"))
    if recipe.child.format == "parquet":
        assert written == tuple(file.path for file in recipe.child.files)
        for path in written:
            found, original = (pq.read_table(root / path, partitioning=None) for root in (tmp_path / "out", large.root))
            assert found.equals(original, check_metadata=True)


def test_a_parent_that_has_changed_is_refused_before_a_row_is_read(large: SmallLake, tmp_path: Path) -> None:
    large.put("child", CASES["range"][0])
    large.put("parent", PARENT)
    recipe = solve(large, "child", "parent").recipe
    assert recipe is not None
    place = large.root / "parent.parquet"
    data = bytearray(place.read_bytes())
    data[100] ^= 1
    place.write_bytes(data)
    for act in (verify, partial(write_rebuilt, destination=str(tmp_path / "out"))):
        with pytest.raises(PlanError, match="has changed"):
            act(large.context, recipe)


def test_rebuilt_rows_that_differ_are_not_left_behind(large: SmallLake, tmp_path: Path) -> None:
    large.put("child", CASES["range"][0])
    large.put("parent", PARENT)
    recipe = solve(large, "child", "parent").recipe
    assert recipe is not None
    other = recipe.model_copy(update={"digest": recipe.digest.model_copy(update={"rows": "00"})})
    assert verify(large.context, other) is not None
    with pytest.raises(PlanError, match="differs"):
        write_rebuilt(large.context, other, str(tmp_path / "out"))
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_rows_are_found_where_they_must_be_looked_for_in_many_ranges(
    large: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakebed.tasks.retention.recipes.spool.ROUND_ROWS", 100)
    monkeypatch.setattr("lakebed.tasks.retention.recipes.spool._BLOCK_ROWS", 64)
    large.put("child", PARENT.slice(0, 2_000).set_column(0, "id", pa.array(range(2_000), pa.int32())))
    large.put("parent", TWICE, DeltaTable())
    recipe = solve(large, "child", "parent").recipe
    assert recipe is not None and recipe.parts[0].multiplicity == "distinct"
    assert verify(large.context, recipe) is None


def test_what_needs_counts_or_memory_is_refused(large: SmallLake) -> None:
    large.put("twice", TWICE)
    large.put("parent", PARENT)
    large.put("text", PARENT.drop_columns(["o"]), CsvFile())
    large.put("zero", pa.table({"x": [0.0, *map(float, range(1, 900))]}))
    large.put("minus", pa.table({"x": [-0.0, *map(float, range(1, 900))]}))
    for child, parent, code, why in (
        ("twice", "parent", "too_large", "counted"),
        ("text", "parent", "too_large", "text"),
        ("zero", "minus", "differs_strictly", "to the bit"),
    ):
        refusal = solve(large, child, parent).refusal
        assert refusal is not None and refusal.code == code and why in refusal.reason


LOW, HIGH = list(range(300)), list(range(2**40, 2**40 + 300))
REQUIRED = pa.schema([pa.field("x", pa.int64(), nullable=False)])
UNLIKE = {
    "narrower": (pa.table({"x": pa.array(LOW, pa.int32()), "y": LOW}), pa.table({"x": HIGH, "y": LOW})),
    "fewer": (pa.table({"x": LOW}), pa.table({"x": HIGH, "y": LOW})),
    "required": (pa.table({"x": LOW}, REQUIRED), pa.table({"x": [None, None, *HIGH]})),
}


@pytest.mark.parametrize("name", list(UNLIKE))
def test_rows_that_may_come_into_files_that_they_do_not_fit_are_refused(
    tmp_path: Path, large: SmallLake, name: str
) -> None:
    first, second = UNLIKE[name]
    (large.root / "child").mkdir()
    for number, rows in enumerate((first, second)):
        pq.write_table(rows, large.root / "child" / f"part-{number:05}.parquet")
    large.put("swapped", pa.concat_tables([second, first], promote_options="permissive"))
    large.put("parent", pa.concat_tables([first, second], promote_options="permissive"))
    held = SmallLake.at(tmp_path)
    for lake in (large, held):
        refusal = solve(lake, "child", "swapped").refusal
        assert refusal is not None and refusal.code == "cannot_be_written"
    recipe = solve(large, "child", "parent").recipe
    assert recipe is not None and recipe.order.state == "kept" and verify(large.context, recipe) is None
    lost = recipe.model_copy(update={"order": RowOrder(state="lost", reason="as older ones have it")})
    refusal = verify(large.context, lost)
    assert refusal is not None and refusal.code == "cannot_be_written"
    write_rebuilt(large.context, recipe, str(tmp_path / "out"))


def test_more_partitions_are_written_than_files_may_be_open(
    large: SmallLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakebed.tasks.retention.recipes.files.MAX_OPEN", 8)
    monkeypatch.setattr("lakebed.tasks.retention.recipes.files.MAX_HELD_ROWS", 200)
    monkeypatch.setattr("lakebed.connectors.lake.batches.MAX_BATCH_ROWS", 256)
    # the rows of 50 partitions alternate, those of 60 others come one partition after the other
    parts = [n % 50 if n < 2_000 else 50 + (n - 2_000) // 16 for n in range(N)]
    rows = pa.table({"part": pa.array(parts, pa.int64()), "id": PARENT["id"]})
    large.put("parent", rows)
    large.put("child", rows.slice(0, 2_960), HivePartitions(("part",)))
    for part in (7, 9, 70):
        for name in ("part-0", "part-00000.z"):
            pq.write_table(rows.select(["id"]).slice(0, 0), large.root / "child" / f"part={part}" / f"{name}.parquet")
    recipe = solve(large, "child", "parent").recipe
    assert recipe is not None and is_streamed(large.context, recipe) and verify(large.context, recipe) is None
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 30, limits[1]))
    try:
        written = write_rebuilt(large.context, recipe, str(tmp_path / "out"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert written == tuple(file.path for file in recipe.child.files) and len(written) == 116
    assert max(pq.read_metadata(tmp_path / "out" / path).num_row_groups for path in written) > 1
    for path in written:
        found, original = (pq.read_table(root / path, partitioning=None) for root in (tmp_path / "out", large.root))
        assert found.equals(original, check_metadata=True)


def test_row_numbers_in_the_order_of_the_child_are_used_in_memory(large: SmallLake, tmp_path: Path) -> None:
    """As recipes have them that were found while the tables were not called large."""
    chosen = [n for n in range(N) if n * n % 11 == 3]
    large.put("child", PARENT.take(chosen[::-1]))
    large.put("parent", PARENT)
    held = SmallLake(large.root, RecipeConfig(max_position_share=1.0), large.lake).recipe("child", "parent")
    assert held.selector_shape == "positions" and held.order.state == "kept" and held.order.rows is None
    assert not is_streamed(large.context, held) and verify(large.context, held) is None
    write_rebuilt(large.context, held, str(tmp_path / "out"))
    assert pq.read_table(tmp_path / "out" / "child.parquet").equals(PARENT.take(chosen[::-1]))


def test_a_full_folder_for_temporary_files_is_a_refusal(large: SmallLake) -> None:
    large.put("child", CASES["positions"][0])
    large.put("parent", PARENT)
    assert solve(large, "child", "parent").recipe is not None
    # files may be of no more than so many bytes, which the hashes of all rows exceed
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, limits[1]))
    try:
        outcome = solve(large, "child", "parent")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert outcome.refusal is not None and outcome.refusal.code == "too_large"
    assert "on disk" in outcome.refusal.reason

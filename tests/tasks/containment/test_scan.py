import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.leaves import batch_leaves, schema_leaves
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.hash_files import read_hash_rows
from lakebed.tasks.containment.samples import gather
from lakebed.tasks.containment.scan import (
    SCAN_SCHEMA,
    ScanPlaces,
    bucket_bits,
    plan_scan,
    projection_of,
    scan_cells,
    scan_splits,
)
from lakebed.tasks.scan.splits import plan_splits
from tests.tasks.containment.lakes import view_of, workspace_of, write_lake

RNG = np.random.default_rng(3)
DATA = pa.table({"x": RNG.integers(0, 900, 3_000), "s": [f"s{n % 70}" for n in range(3_000)]})
LAKE = {
    "all": DATA,
    "part": DATA.slice(100, 800),
    "narrow": DATA.select(["s"]),
    "doubled": pa.concat_tables([DATA, DATA]),
}


@pytest.fixture
def planned(tmp_path):
    """The plan of a lake, and a function from the target of a split to the splits."""
    write_lake(tmp_path / "lake", LAKE, row_group_size=500)
    config, workspace = ContainmentConfig(), workspace_of(tmp_path)
    view, staged = view_of(workspace, config)

    def plan(out="out", **changes):
        changed = config.model_copy(update=changes)
        return plan_scan(view.lake, view.survey.roles, changed, workspace, ScanPlaces(staged, str(tmp_path / out)))

    def splits(target=1 << 30):
        return plan_splits(view.tables, sorted(plan().tables), target)

    return view, plan, splits


def scanned(plan, tasks):
    return pa.Table.from_batches([batch for task in tasks for batch in scan_splits(plan, task)], SCAN_SCHEMA)


def samples(table):
    """Rows of kinds that say what was found, without those about tasks."""
    found = table.filter(pc.is_in(table["kind"], value_set=pa.array(["rows", "values"])))
    return sorted(found.to_pylist(), key=repr)


def hash_rows(plan, table):
    """Every row hash with its projection and table, as often as it was written."""
    paths = table.filter(pc.equal(table["kind"], "file"))["text"].to_pylist()
    read = read_hash_rows(plan.out_uri, paths, np.arange(9, dtype=np.int32))
    sizes = np.diff(read.first)
    keys = (np.repeat(read.projection, sizes).tolist(), np.repeat(read.table, sizes).tolist())
    return Counter(zip(*keys, map(tuple, read.hashes.tolist()), strict=True))


def test_what_is_computed_of_a_split_does_not_depend_on_its_task(planned):
    _, plan, splits = planned
    pieces = splits(1)
    assert len(pieces) > 8
    together, alone = plan("together"), plan("alone")
    one = scanned(together, [pieces])
    many = scanned(alone, [[split] for split in reversed(pieces)])
    assert samples(one) == samples(many)
    assert hash_rows(together, one) == hash_rows(alone, many)


@pytest.mark.parametrize("is_strict", [False, True])
def test_texts_read_as_codes_have_the_hashes_of_texts(planned, monkeypatch, is_strict):
    _, plan, splits = planned
    codes, texts = plan("codes", strict_types=is_strict), plan("texts", strict_types=is_strict)
    two = scanned(texts, [splits(1)])
    monkeypatch.setattr("lakebed.connectors.lake.read.MIN_CODED_ROWS", 1)
    asked = []
    monkeypatch.setattr("lakebed.connectors.lake.read.is_coded", lambda *arguments: asked.append(arguments) or True)
    one = scanned(codes, [splits(1)])
    assert bool(asked) != is_strict
    assert samples(one) == samples(two)
    assert hash_rows(codes, one) == hash_rows(texts, two)


def test_merged_samples_do_not_depend_on_how_tables_are_split(planned):
    view, plan, splits = planned
    gathered = [
        gather(scanned(plan(f"out{target}"), [splits(target)]), plan(), view.survey.roles, view.lake)
        for target in (1, 6_000, 1 << 30)
    ]
    for other in gathered[1:]:
        for field in ("indptr", "hashes", "level", "table", "projection", "is_child"):
            assert (getattr(other.rows, field) == getattr(gathered[0].rows, field)).all()
        assert (other.values.indptr == gathered[0].values.indptr).all()
        assert (other.values.hashes == gathered[0].values.hashes).all()


def test_every_byte_is_read_once(planned):
    _, plan, splits = planned
    table = scanned(plan(), [splits(1)])
    n_bytes = pc.sum(table["n_bytes"].filter(pc.equal(table["kind"], "task"))).as_py()
    assert n_bytes == sum(split.n_bytes for split in splits(1))


@pytest.mark.parametrize("damage", ["truncated", "gone", "empty"])
def test_a_broken_file_becomes_an_error_and_the_rest_goes_on(planned, tmp_path, damage):
    view, plan, splits = planned
    pieces = splits()
    path = tmp_path / "lake" / "part.parquet"
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    table = scanned(plan(), [pieces])
    result = gather(table, plan(), view.survey.roles, view.lake)
    assert list(result.errors) == [view.lake.names.index("part")]
    assert all(reason for reason in result.errors.values())
    rows = table.filter(pc.equal(table["kind"], "rows"))
    assert {view.lake.names[number] for number in rows["table_id"].to_pylist()} == set(LAKE) - {"part"}


def test_cells_from_spark_give_the_same_rows_however_they_are_cut(planned):
    view, plan, splits = planned
    number = view.lake.names.index("doubled")
    of_splits = plan("splits")
    from_splits = scanned(of_splits, [[split for split in splits() if split.table_id == number]])
    merged = hash_rows(of_splits, from_splits)
    for step in (700, 6_000):
        cells = plan(f"cells{step}")
        pieces = [LAKE["doubled"].slice(start, step) for start in range(0, 6_000, step)]
        # two workers, each with some of the batches
        tables = [scan_cells(cells, number, leaves(part)) for part in (pieces[::2], pieces[1::2])]
        table = pa.Table.from_batches(tables, SCAN_SCHEMA)
        assert hash_rows(cells, table) == merged


def leaves(parts):
    for part in parts:
        for batch in part.to_batches():
            yield batch_leaves(batch, schema_leaves(batch.schema))


def test_no_cells_give_no_rows(planned):
    view, plan, _ = planned
    batch = scan_cells(plan(), view.lake.names.index("all"), iter([]))
    assert batch["kind"].to_pylist() == ["task"]


def plan_of(folder, lake, config):
    write_lake(folder / "lake", lake)
    workspace = workspace_of(folder)
    view, staged = view_of(workspace, config)
    return view, plan_scan(view.lake, view.survey.roles, config, workspace, ScanPlaces(staged, str(folder / "out")))


def test_only_tables_still_in_question_are_planned_with_the_columns_that_an_edge_needs(tmp_path):
    lake = {
        "parent": pa.table({"x": [1, 2, 3], "y": [1, 2, 3], "z": [0, 0, 0]}),
        "child": pa.table({"x": [1, 2]}),
        "outside": pa.table({"x": [9]}),
        "other": pa.table({"w": [1]}),
    }
    view, plan = plan_of(tmp_path, lake, ContainmentConfig())
    names = view.lake.names
    assert {names[table] for table in plan.tables} == {"parent", "child"}
    tokens = {names[table]: [plan.projections[n][1] for n in scan.projections] for table, scan in plan.tables.items()}
    assert tokens == {"parent": [('["x"]',)], "child": [('["x"]',)]}


def test_samples_thin_out_with_rows_and_with_the_budget(tmp_path):
    lake = {name: pa.table({"x": list(range(n))}) for name, n in (("a", 5_000), ("b", 20))}
    view, plan = plan_of(tmp_path, lake, ContainmentConfig(sketch_rows=100))
    levels = {view.lake.names[table]: scan.row_level for table, scan in plan.tables.items()}
    assert levels == {"a": math.ceil(math.log2(5_000 / 100)), "b": 0}
    thin = plan_scan(
        view.lake,
        view.survey.roles.repeat(500, axis=0),
        ContainmentConfig(sketch_rows=100, sketch_budget_rows=1 << 12),
        workspace_of(tmp_path),
        ScanPlaces("", ""),
    )
    assert thin.tables[0].row_level == math.ceil(math.log2(5_000 / 16))


def test_the_plan_says_what_hashes_depend_on(tmp_path):
    config = ContainmentConfig(hash_key="00" * 31 + "07", strict_types=True)
    _, plan = plan_of(tmp_path, {name: pa.table({"x": [1]}) for name in "ab"}, config)
    assert plan.settings.key == bytes(31) + b"\x07"
    assert plan.settings.is_strict


@given(st.integers(0, 1 << 50), st.integers(1 << 10, 1 << 28))
def test_buckets_hold_about_the_wanted_rows(n_rows, wanted):
    bits = bucket_bits(n_rows, wanted)
    assert bits >= 1
    assert n_rows / 2**bits <= wanted
    assert bits == 1 or n_rows / 2 ** (bits - 1) > wanted


def test_projections_have_ids_of_their_own():
    ids = {projection_of(tokens)[0] for tokens in (["ab", "c"], ["a", "bc"], ["abc"], [], ["ab", "c", ""])}
    assert len(ids) == 5


@pytest.mark.parametrize("tokens", [['["a"]'], ['["a"]', '["ü","b",2]']])
def test_a_projection_has_the_same_id_everywhere(tokens):
    assert projection_of(tokens) == projection_of(tuple(tokens))
    assert -(2**63) <= projection_of(tokens)[0] < 2**63

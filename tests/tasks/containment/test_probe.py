import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.containment.kernel.fingerprint import HashSettings
from lakebed.tasks.containment.plan import projection_of
from lakebed.tasks.containment.probe import DrawnSplit, draw_cells, draw_rows, probe_cells, probe_splits
from lakebed.tasks.containment.scan import ScanPlan, TableScan
from lakebed.tasks.inventory.splits import plan_splits
from tests.tasks.containment.lakes import view_of, workspace_of, write_lake
from tests.tasks.containment.test_scan import leaves

DATA = pa.table({"x": list(range(100)), "s": [None if row % 9 == 0 else f"s{row}" for row in range(100)]})
LAKE = {"child": DATA.slice(40, 30), "parent": DATA}


@pytest.fixture
def planned(tmp_path):
    """A plan in which both tables are hashed on all columns, and their splits by name."""
    from lakebed.tasks.containment.config import ContainmentConfig

    write_lake(tmp_path / "lake", LAKE, row_group_size=8)
    workspace = workspace_of(tmp_path)
    view, staged = view_of(workspace, ContainmentConfig())
    plan = ScanPlan(
        lake_root=workspace.lake.root,
        staged_root=staged,
        out_uri="",
        projections={0: projection_of(['["x"]', '["s"]'])},
        tables={table: TableScan((0,), 0, 0, has_values=False) for table in (0, 1)},
        settings=HashSettings(bytes(16)),
        bucket_bits=1,
    )
    splits = plan_splits(view.tables, [0, 1], 1)
    return plan, {
        name: [split for split in splits if split.table_id == number] for number, name in enumerate(view.lake.names)
    }


def hashes(batches, kind="rows"):
    rows = [row for batch in batches for row in batch.to_pylist() if row["kind"] == kind]
    return sorted(
        {tuple(pair) for row in rows for pair in np.frombuffer(row["data"], np.uint64).reshape(-1, 2).tolist()}
    )


def wanted_of(found):
    return {0: np.array(found, np.uint64).reshape(-1, 2)}


def test_drawn_rows_are_those_at_the_positions(planned):
    plan, splits = planned
    assert len(splits["child"]) == 4
    everything = hashes(draw_rows(plan, [DrawnSplit(split, tuple(range(split.n_rows))) for split in splits["child"]]))
    assert len(everything) == 30
    first, third = splits["child"][0], splits["child"][2]
    some = hashes(draw_rows(plan, [DrawnSplit(first, (0, 7)), DrawnSplit(third, (3,))]))
    by_hand = hashes([draw_cells(plan, 0, 9, leaves([DATA.take([40, 47, 59])]))])
    assert some == by_hand
    assert set(some) < set(everything)


def test_rows_that_the_parent_has_are_found_and_no_others(planned):
    plan, splits = planned
    drawn = hashes(draw_rows(plan, [DrawnSplit(split, tuple(range(split.n_rows))) for split in splits["child"]]))
    strange = [(1, 2), (2**64 - 1, 0)]
    wanted = wanted_of(sorted([*drawn, *strange]))
    assert hashes(probe_splits(plan, splits["parent"], wanted)) == drawn
    assert hashes([probe_cells(plan, 1, leaves([DATA.slice(0, 55)]), wanted)]) == hashes(
        [draw_cells(plan, 0, 99, leaves([DATA.slice(40, 15)]))]
    )


def test_a_table_of_spark_is_drawn_by_least_hash_however_it_is_cut(planned):
    plan, _ = planned
    whole = hashes([draw_cells(plan, 1, 5, leaves([DATA]))])
    pieces = hashes([draw_cells(plan, 1, 5, leaves([DATA.slice(start, 25)])) for start in (0, 25, 50, 75)])
    assert len(whole) == 5
    assert pieces[:5] == whole


def test_broken_files_are_errors_and_the_rest_goes_on(planned, tmp_path):
    plan, splits = planned
    path = tmp_path / "lake" / "child.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    draws = [DrawnSplit(split, (0,)) for name in ("child", "parent") for split in splits[name]]
    (batch,) = draw_rows(plan, draws)
    kinds = list(zip(batch["kind"].to_pylist(), batch["table_id"].to_pylist(), strict=True))
    assert ("error", 0) in kinds
    assert ("rows", 1) in kinds
    assert ("rows", 0) not in kinds
    (probed,) = probe_splits(plan, splits["child"], wanted_of([(1, 1)]))
    assert set(probed["kind"].to_pylist()) == {"error", "task"}

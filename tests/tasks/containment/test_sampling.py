import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from lakebed.connectors.errors import StageError
from lakebed.tasks.containment.config import ContainmentConfig, SampledConfig
from lakebed.tasks.containment.kernel.fingerprint import HashSettings
from lakebed.tasks.containment.sampling import (
    DrawnSplit,
    _answer,
    _Job,
    _judged,
    draw_cells,
    draw_rows,
    probe_cells,
    probe_splits,
    sample_content,
)
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlan, TableScan, projection_of
from lakebed.tasks.scan.splits import plan_splits
from tests.oracle.brute_force import Leaves
from tests.tasks.containment.lakes import true_pairs, view_of, workspace_of, write_lake
from tests.tasks.containment.test_scan import leaves
from tests.tasks.containment.test_search import lakes


class JobHere(_Job):
    """The two jobs in this process, without Spark."""

    def _run(self, plan, splits, work):
        return _answer(pa.Table.from_batches(list(work[0](plan, splits)), SCAN_SCHEMA))


def sampled_here(view, workspace, sampled):
    """The pairs with their verdicts, names for ids: (child, parent) → (compared, missing)."""
    job = JobHere(view, ContainmentConfig(mode="sampled", sampled=sampled), workspace, "")
    drawn = job.draw()
    pairs = _judged(view, job.numbers, drawn.samples, job.probe(drawn.samples).samples)
    names = view.lake.names
    rows = (pairs.child.tolist(), pairs.parent.tolist(), pairs.n_compared.tolist(), pairs.n_missing.tolist())
    return {(names[a], names[b]): (compared, missing) for a, b, compared, missing in zip(*rows, strict=True)}


def opened(folder, lake):
    write_lake(folder / "lake", lake, row_group_size=300)
    workspace = workspace_of(folder)
    return view_of(workspace, ContainmentConfig())[0], workspace


@settings(max_examples=20)
@given(lakes(), st.sampled_from(["rows", "columns"]), st.integers(1, 4), st.integers(1, 2), st.integers(0, 9))
def test_no_true_edge_is_lost(lake, reading, n_rows, n_columns, seed):
    with tempfile.TemporaryDirectory() as folder:
        view, workspace = opened(Path(folder), lake)
        if not len(view.survey.children):
            return
        sampled = SampledConfig(n_rows=n_rows, n_columns=n_columns, reading=reading, seed=seed)
        found = sampled_here(view, workspace, sampled)
        true = {pair for pair in true_pairs(lake) if not Leaves(lake[pair[0]]).is_vacuous}
        assert true <= {pair for pair, (_, missing) in found.items() if missing == 0}


@pytest.mark.parametrize("reading", ["rows", "columns"])
def test_survival_agrees_with_the_bound(tmp_path, reading):
    """An edge of fraction c survives t rows with probability c^t: 400 draws, 99 % interval."""
    n_rows, fraction, t = 4_000, 0.95, 20
    rng = np.random.default_rng(11)
    parent = pa.table({"id": rng.permutation(n_rows), "v": rng.random(n_rows)})
    values = parent["v"].to_numpy().copy()
    bad = rng.choice(n_rows, round(n_rows * (1 - fraction)), replace=False)
    values[bad] = parent["v"].to_numpy()[(bad + 1) % n_rows]
    child = parent.set_column(1, "v", pa.array(values))
    children = {f"child {number}": child for number in range(10)}
    view, workspace = opened(tmp_path, {"parent": parent, **children})
    n_survived = 0
    for seed in range(40):
        found = sampled_here(view, workspace, SampledConfig(n_rows=t, n_columns=2, reading=reading, seed=seed))
        n_survived += sum(found[name, "parent"] == (t, 0) for name in children)
    low, high = binom.interval(0.99, 40 * len(children), fraction**t)
    assert low <= n_survived <= high


def test_drawing_is_the_same_for_a_seed_and_another_for_another(tmp_path):
    rng = np.random.default_rng(0)
    data = pa.table({"a": rng.integers(0, 50, 900), "b": rng.integers(0, 50, 900)})
    half = data.take(rng.permutation(900)[:450])
    mixed = pa.table({"a": half["a"], "b": pa.array(rng.permutation(half["b"].to_numpy()))})
    view, workspace = opened(tmp_path, {"all": data, "mixed": mixed})
    runs = [sampled_here(view, workspace, SampledConfig(n_rows=40, seed=seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_drawn_columns_are_compared_alone(tmp_path):
    """With one column a pair survives whose values are all there, though never together."""
    data = pa.table({"a": list(range(50)), "b": list(range(50))})
    crossed = data.set_column(1, "b", pa.array(list(reversed(range(50)))))
    view, workspace = opened(tmp_path, {"data": data, "crossed": crossed})
    by_column = sampled_here(view, workspace, SampledConfig(reading="columns", n_columns=1))
    by_row = sampled_here(view, workspace, SampledConfig(reading="rows"))
    assert by_column["crossed", "data"] == (30, 0)
    assert by_row["crossed", "data"] == (30, 30)


def test_too_many_pairs_are_refused(tmp_path):
    lake = {name: pa.table({"x": [1, 2]}) for name in "abc"}
    write_lake(tmp_path / "lake", lake)
    workspace = workspace_of(tmp_path)
    config = ContainmentConfig(mode="sampled", max_listed_pairs=5)
    view, staged = view_of(workspace, config)
    with pytest.raises(StageError, match="6 pairs"):
        sample_content(view, config, workspace, staged)


def test_a_lake_without_pairs_needs_no_job(tmp_path):
    view, workspace = opened(tmp_path, {"a": pa.table({"x": [1]}), "b": pa.table({"y": [1]})})
    found = sample_content(view, ContainmentConfig(mode="sampled"), workspace, "")
    assert (len(found.pairs.child), found.bytes_read) == (0, 0)


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
        settings=HashSettings(bytes(32)),
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
    by_hand = hashes([draw_cells(plan, 0, leaves([DATA.take([40, 47, 59])]), 9)])
    assert some == by_hand
    assert set(some) < set(everything)


def test_rows_that_the_parent_has_are_found_and_no_others(planned):
    plan, splits = planned
    drawn = hashes(draw_rows(plan, [DrawnSplit(split, tuple(range(split.n_rows))) for split in splits["child"]]))
    strange = [(1, 2), (2**64 - 1, 0)]
    wanted = wanted_of(sorted([*drawn, *strange]))
    assert hashes(probe_splits(plan, splits["parent"], wanted)) == drawn
    assert hashes([probe_cells(plan, 1, leaves([DATA.slice(0, 55)]), wanted)]) == hashes(
        [draw_cells(plan, 0, leaves([DATA.slice(40, 15)]), 99)]
    )


def test_a_table_of_spark_is_drawn_by_least_hash_however_it_is_cut(planned):
    plan, _ = planned
    whole = hashes([draw_cells(plan, 1, leaves([DATA]), 5)])
    pieces = hashes([draw_cells(plan, 1, leaves([DATA.slice(start, 25)]), 5) for start in (0, 25, 50, 75)])
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

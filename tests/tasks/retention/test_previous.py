import shutil

import pyarrow.parquet as pq
import pytest

from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.runtime.artifacts import ArtifactStore
from tests.tasks.retention.lakes import BASE, TABLES, by_name, contained_lake, decide_here

ODD = BASE.take([row for row in range(400) if row * row % 7 in (1, 2)])


@pytest.fixture
def lake(tmp_path):
    return contained_lake(tmp_path, {**TABLES, "odd": ODD})


def cost(store, ref):
    return store.metrics(ref)["bytes_read"]


def test_another_config_tries_no_rebuild_again(lake):
    store, first = decide_here(lake)
    assert cost(store, first) > 0
    assert by_name(store, first, "rebuilds")["odd"]["shape"] == "positions"
    _, second = decide_here(lake, RetentionConfig(solver_seconds=59.0))
    assert second.key != first.key
    assert cost(store, second) == 0
    assert second.digest == first.digest
    shutil.rmtree(store.folder("retention", first.key))
    assert store.find("retention", second.key) == second


def test_a_full_run_tries_every_rebuild_anew_and_a_normal_one_none(lake):
    workspace, *refs = lake
    first, normal, full = [], [], []
    store, made = decide_here(lake, tried=first)
    assert len(first) > 5
    _, reused = decide_here(lake, RetentionConfig(solver_seconds=59.0), tried=normal)
    assert normal == []
    assert cost(store, reused) == 0
    counts = store.metrics(reused)["changes"]
    assert counts["trials_reused"] > 5 and counts["trials_made"] == 0
    whole = (workspace.model_copy(update={"is_full": True, "run_id": "now"}), *refs)
    _, anew = decide_here(whole, RetentionConfig(solver_seconds=59.0), tried=full)
    assert full == first
    assert anew == reused
    assert anew.digest == made.digest
    # the baseline, too, digests every file that it compares
    assert cost(store, anew) > 0


def test_settings_of_recipes_make_every_trial_new(lake):
    store, _ = decide_here(lake)
    _, other = decide_here(lake, RetentionConfig.model_validate({"recipes": {"max_in_values": 31}}))
    assert cost(store, other) > 0


def test_only_what_a_changed_table_touches_is_tried_again_and_the_result_is_that_of_a_full_run(lake, tmp_path):
    workspace, *_ = lake
    store, first = decide_here(lake)
    changed = BASE.slice(0, 90)
    pq.write_table(changed, tmp_path / "lake" / "sales" / "cheap.parquet")
    tables = {**TABLES, "odd": ODD, "sales/cheap": changed}
    again = contained_again(tmp_path, tables)
    _, second = decide_here(again)
    sizes = {path.stem: path.stat().st_size for path in (tmp_path / "lake").rglob("*.parquet")}
    assert 0 < cost(store, second) <= 2 * cost_of_both(sizes)
    assert store.metrics(first)["changes"] == {}
    counts = store.metrics(second)["changes"]
    assert counts["trials_reused"] > counts["trials_made"] > 0
    shutil.rmtree(tmp_path / "artifacts" / "retention")
    _, full = decide_here(again)
    assert cost(ArtifactStore(workspace.artifacts), full) > 3 * cost_of_both(sizes)
    assert full.digest == second.digest != first.digest


def cost_of_both(sizes):
    return sizes["cheap"] + sizes["orders"]


def contained_again(folder, tables):
    """The search anew, without rewriting the files that stay."""
    from tests.tasks.retention import lakes

    wrote = lakes.write_lake
    lakes.write_lake = lambda *_: None
    try:
        return contained_lake(folder, tables)
    finally:
        lakes.write_lake = wrote

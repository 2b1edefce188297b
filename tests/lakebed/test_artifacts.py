import pytest

from lakebed.artifacts import all_runs, newest_refs, newest_run
from lakebed.config import load_config
from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.record import RunLog, StageRecord


def begun(root, run_id, *stages):
    log = RunLog.begin(str(root), run_id, ["test"], load_config(None, {"lake": {"root": "lake"}}))
    for stage in stages:
        ref = ArtifactRef(stage=stage, key="k" + run_id, digest="d")
        log.add_stage(StageRecord.of(ref, {}, reused=False, seconds=1.0))
    log.finish("completed")


def test_an_empty_root_names_the_next_command(tmp_path):
    for ask in (all_runs, lambda root: newest_run(root, "inventory"), lambda root: newest_refs(root, "containment")):
        with pytest.raises(ArtifactError) as caught:
            ask(str(tmp_path / "none"))
        assert caught.value.value == str(tmp_path / "none")
        assert caught.value.hint.startswith("lakebed run --lake PATH --artifacts")
        assert not (tmp_path / "none").exists()


def test_the_newest_run_that_came_so_far(tmp_path):
    begun(tmp_path, "20260101T000000-aaaaaa", "inventory", "containment")
    begun(tmp_path, "20260102T000000-aaaaaa", "inventory", "containment")
    begun(tmp_path, "20260103T000000-aaaaaa", "inventory")
    assert newest_run(str(tmp_path), "inventory").run_id.startswith("20260103")
    assert newest_run(str(tmp_path), "containment").run_id.startswith("20260102")
    assert [run.run_id[:8] for run in all_runs(str(tmp_path))] == ["20260103", "20260102", "20260101"]
    store, refs = newest_refs(str(tmp_path), "containment")
    assert store.root == str(tmp_path)
    assert refs["containment"].key == "k20260102T000000-aaaaaa"

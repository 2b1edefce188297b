import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.config import GcConfig
from lakebed.tasks.runtime.garbage import find_garbage, kept_runs, remove
from lakebed.tasks.runtime.record import RECORD, RUNS, RunLog, RunRecord, StageRecord
from tests.tasks.runtime.lakes import STAGES, key, publish, record_run, snapshot

FEW = GcConfig(keep_runs=1, keep_days=0)


def swept(root, config=FEW, **options):
    return find_garbage(ArtifactStore(str(root)), STAGES, config, **options)


def paths(sweep):
    return {(one.path, one.why) for one in sweep.all}


@pytest.fixture
def root(tmp_path):
    """Three runs of two stages, of which the last two share an artifact."""
    for number, (inventory, containment) in enumerate([(1, 1), (2, 2), (2, 3)]):
        first = publish(tmp_path, "inventory", inventory)
        second = publish(tmp_path, "containment", containment, [first])
        record_run(tmp_path, f"2026010{number + 1}T000000-{number:06x}", [first, second])
    return tmp_path


def test_what_only_old_runs_refer_to_goes(root):
    sweep = swept(root)
    assert sweep.kept_runs == ("20260103T000000-000002",)
    assert paths(sweep) == {
        (f"{RUNS}/20260101T000000-000000", "old run"),
        (f"{RUNS}/20260102T000000-000001", "old run"),
        (f"inventory/{key(1)}", "unreferenced"),
        (f"containment/{key(1)}", "unreferenced"),
        (f"containment/{key(2)}", "unreferenced"),
    }
    assert sweep.n_kept_artifacts == 2
    before = {path: facts for path, facts in snapshot(root).items() if key(3) in path or path.startswith("inventory")}
    remove(ArtifactStore(str(root)), sweep)
    assert swept(root).all == ()
    left = snapshot(root)
    assert {path: left[path] for path in before if key(1) not in path} == {
        path: facts for path, facts in before.items() if key(1) not in path
    }
    assert ArtifactStore(str(root)).find("containment", key(3)) is not None


def test_sizes_are_told(root):
    sweep = swept(root)
    gone = {one.path: one.n_bytes for one in sweep.all}
    for path, n_bytes in gone.items():
        assert n_bytes == sum(file.stat().st_size for file in (root / path).rglob("*") if file.is_file()) > 0
    assert sweep.n_bytes == sum(gone.values())


@pytest.mark.parametrize(("runs", "days", "n_kept"), [(1, 0, 1), (2, 0, 2), (9, 0, 3), (1, 1, 1), (1, 36500, 3)])
def test_number_and_age_keep_runs(root, runs, days, n_kept):
    assert len(swept(root, GcConfig(keep_runs=runs, keep_days=days)).kept_runs) == n_kept


def test_young_runs_stay_however_many():
    now = datetime(2026, 1, 31, tzinfo=UTC)
    records = [
        RunRecord(run_id=f"r{days:02}", status="completed", started_at=(now - timedelta(days=days)).isoformat())
        for days in range(20)
    ]
    kept = kept_runs(records, GcConfig(keep_runs=2, keep_days=5), now)
    assert [record.run_id for record in kept] == [f"r{days:02}" for days in range(6)]


def test_the_newest_run_that_reached_a_stage_stays(root):
    record_run(root, "20260104T000000-000003", [publish(root, "inventory", 4)])
    assert swept(root).kept_runs == ("20260104T000000-000003", "20260103T000000-000002")


def test_what_a_kept_artifact_was_made_from_stays(tmp_path):
    first = publish(tmp_path, "inventory", 1)
    record_run(tmp_path, "20260101T000000-000000", [publish(tmp_path, "containment", 2, [first])])
    assert swept(tmp_path).all == ()


def test_pinned_artifacts_stay(root):
    pinned = ArtifactStore(str(root)).find("containment", key(1))
    gone = {path for path, _ in paths(swept(root, pinned=[pinned]))}
    assert f"containment/{key(1)}" not in gone and f"inventory/{key(1)}" not in gone
    assert f"containment/{key(2)}" in gone


def test_half_published_folders_go_even_of_the_newest_run(root):
    (root / "containment" / key(3) / "manifest.json").unlink()
    half = root / "inventory" / key(9)
    half.mkdir()
    (half / "data.parquet").write_bytes(b"x" * 10)
    assert {(f"containment/{key(3)}", "unfinished"), (f"inventory/{key(9)}", "unfinished")} <= paths(swept(root))


def test_while_a_run_works_what_is_unfinished_is_not_garbage(root):
    (root / "inventory" / key(9)).mkdir()
    (root / RUNS / "20260105T000000-aaaaaa").mkdir()
    found = paths(swept(root, is_at_work=True))
    assert not {path for path, why in found if why in {"unfinished", "run without a record"}}
    assert (f"{RUNS}/20260105T000000-aaaaaa", "run without a record") in paths(swept(root))


def test_a_run_at_work_and_its_artifacts_stay(root):
    log = RunLog.begin(str(root), "20251231T000000-aaaaaa", ["test"], FEW)
    ref = publish(root, "inventory", 7)
    log.add_stage(StageRecord.of(ref, {}, reused=False, seconds=1))
    sweep = swept(root)
    assert "20251231T000000-aaaaaa" in sweep.kept_runs
    assert f"inventory/{key(7)}" not in {path for path, _ in paths(sweep)}


def test_temporary_names_go_after_an_hour(root):
    young, old = (root / "inventory" / key(2) / f".{name}.part" for name in ("young", "old"))
    for path in (young, old, root / "inventory" / key(2) / "whole.part"):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    os.utime(root / "inventory" / key(2) / "whole.part", (time.time() - 7200,) * 2)
    assert [one.path for one in swept(root).parts] == [f"inventory/{key(2)}/.old.part"]


def test_checkpoints_go_once_the_artifact_is_whole_or_nobody_went_on(root):
    done, waiting, given_up = (root / "checkpoints" / "containment" / key(n) for n in (3, 8, 9))
    for folder in (done, waiting, given_up):
        folder.mkdir(parents=True)
        (folder / "arrays").write_bytes(b"x")
    os.utime(given_up / "arrays", (time.time() - 40 * 86400,) * 2)
    found = swept(root, GcConfig(keep_runs=9, keep_days=30)).checkpoints
    assert {one.path for one in found} == {f"checkpoints/containment/{key(n)}" for n in (3, 9)}


def test_what_is_not_ours_stays(root):
    for path in ("notes/x.txt", "inventory/readme.txt", "inventory/backup/x", "quarantine/h.jsonl", "lease.json"):
        (root / path).parent.mkdir(exist_ok=True, parents=True)
        (root / path).write_text("x")
    before = snapshot(root)
    sweep = swept(root)
    remove(ArtifactStore(str(root)), sweep)
    gone = before.keys() - snapshot(root).keys()
    assert all(path.startswith(tuple(one.path for one in sweep.all)) for path in gone)


def test_what_a_link_leads_to_stays(root, tmp_path_factory):
    lake = tmp_path_factory.mktemp("lake")
    (lake / ".x.part").write_text("of the lake")
    os.utime(lake / ".x.part", (time.time() - 7200,) * 2)
    (lake / key(5)).mkdir()
    (lake / key(5) / "data").write_text("of the lake")
    (root / "inventory" / key(6)).symlink_to(lake / key(5))
    (root / "inventory" / key(2) / "linked").symlink_to(lake)
    (root / "summary").symlink_to(lake)
    (root / RUNS / "20200101T000000-aaaaaa").symlink_to(lake / key(5))
    remove(ArtifactStore(str(root)), swept(root))
    assert (lake / ".x.part").exists() and (lake / key(5) / "data").exists()


def test_a_record_that_cannot_be_read_stops_everything(root):
    path = root / RUNS / "20260102T000000-000001" / RECORD
    path.write_text('{"run_id": "r", "of": "a newer lakebed"}')
    before = snapshot(root)
    with pytest.raises(ArtifactError, match="nothing was removed"):
        swept(root)
    assert snapshot(root) == before


def test_an_empty_root_has_no_garbage(tmp_path):
    assert swept(tmp_path).all == ()
    assert swept(tmp_path / "not there").all == ()

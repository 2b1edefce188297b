import json
import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.delta import DataFile, commit_files
from lakebed.connectors.errors import ContractError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.digest import batch_multiset
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec, stage_key
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.runtime.child_publish import make_stage, publish
from tests.tasks.runtime.conftest import EDGES, ROW, edge_rows


class Config(FrozenConfig):
    limit: int = 1


def run_child(root, *words):
    command = [sys.executable, "-m", "tests.tasks.runtime.child_publish", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def write_parts(stage, tables):
    """What Spark workers would do: Parquet files below the table's folder, each with its multiset hash."""
    uri = stage.table_uri("edges")
    files = []
    for i, table in enumerate(tables):
        stage.store.storage.make_folder(f"containment/{stage.key}/edges")
        pq.write_table(table, f"{uri}/part-{i}.parquet")
        size = stage.store.storage.stat(f"containment/{stage.key}/edges/part-{i}.parquet").size
        multiset = batch_multiset(table.combine_chunks().to_batches()[0], EDGES.digested_names)
        files.append(DataFile(f"part-{i}.parquet", size, table.num_rows, multiset))
    return commit_files(uri, EDGES.arrow_schema(), files)


def test_a_stage_is_published_once_and_then_reused(tmp_path):
    stage = make_stage(str(tmp_path))
    assert stage.reuse() is None
    ref = publish(stage)
    assert make_stage(str(tmp_path)).reuse() == ref


def test_looking_at_the_folder_of_a_complete_artifact_does_not_clear_it(tmp_path):
    first, second = make_stage(str(tmp_path)), make_stage(str(tmp_path))
    ref = publish(first)
    assert first.folder == first.store.folder("containment", first.key)
    assert second.reuse() == ref
    assert second.table_uri("edges") == f"{first.folder}/edges"
    assert make_stage(str(tmp_path)).reuse() == ref


@pytest.mark.heavy
def test_killed_between_data_and_manifest(tmp_path):
    killed = run_child(tmp_path / "killed", "die")
    assert killed.returncode == -signal.SIGKILL
    stage = make_stage(str(tmp_path / "killed"))
    leftovers = tmp_path / "killed" / "containment" / stage.key
    assert list(leftovers.glob("edges/*.parquet"))
    assert stage.reuse() is None
    again, undisturbed = run_child(tmp_path / "killed"), run_child(tmp_path / "quiet")
    assert again.stdout == undisturbed.stdout != ""
    assert len(list(leftovers.glob("edges/*.parquet"))) == 1
    assert make_stage(str(tmp_path / "killed")).reuse().digest == again.stdout


def test_a_broken_contract_publishes_nothing(tmp_path):
    stage = make_stage(str(tmp_path))
    with pytest.raises(ContractError, match="n_child breaks"):
        stage.publish({"edges": EDGES.table([ROW | {"n_child": -1}])}, {}, StageMetrics())
    assert stage.reuse() is None
    assert not list(tmp_path.rglob("*.parquet"))
    with pytest.raises(ContractError, match="other tables"):
        stage.publish({}, {}, StageMetrics())
    with pytest.raises(ContractError, match="no table of this name"):
        stage.table_uri("pairs")


def test_files_of_workers_give_the_same_digest_as_one_table(tmp_path):
    tables = [EDGES.table(edge_rows(7)[i : i + 3]) for i in range(0, 7, 3)]
    many, one = make_stage(str(tmp_path / "many")), make_stage(str(tmp_path / "one"))
    ref = many.publish({"edges": write_parts(many, tables)}, {}, StageMetrics())
    assert ref == one.publish({"edges": pa.concat_tables(tables)}, {}, StageMetrics())
    assert many.store.manifest(ref).tables["edges"].n_files == 3


def test_a_written_table_is_held_to_its_contract_too(tmp_path):
    stage = make_stage(str(tmp_path))
    with pytest.raises(ContractError, match="unique"):
        stage.publish({"edges": write_parts(stage, [EDGES.table([ROW])] * 2)}, {}, StageMetrics())
    assert stage.reuse() is None


def test_the_key_depends_on_each_of_its_parts():
    spec = StageSpec("containment", 1, {"edges": EDGES})
    a, b = (ArtifactRef(stage="inventory", key="k", digest=digest * 64) for digest in "ab")
    keys = [
        stage_key(spec, [a], Config(), []),
        stage_key(spec, [b], Config(), []),
        stage_key(spec, [a, b], Config(), []),
        stage_key(spec, [a], Config(limit=2), []),
        stage_key(spec, [a], Config(), [b"x"]),
        stage_key(spec, [a], Config(), [b"x", b""]),
        stage_key(StageSpec("containment", 2, spec.contracts), [a], Config(), []),
        stage_key(StageSpec("retention", 1, spec.contracts), [a], Config(), []),
        stage_key(StageSpec("containment", 1, {}), [a], Config(), []),
    ]
    assert len(set(keys)) == len(keys)


def test_metrics_are_filled_in_and_steps_are_timed(tmp_path):
    metrics = StageMetrics()
    with metrics.step("footers") as cost:
        cost.bytes_read += 11
    stage = make_stage(str(tmp_path))
    facts = stage.store.metrics(stage.publish({"edges": EDGES.table(edge_rows(2))}, {}, metrics))
    assert facts["steps"][0][0] == "footers"
    assert (facts["bytes_read"], facts["rows"]) == (11, 2)
    assert facts["seconds"] > 0
    assert facts["peak_driver_bytes"] > 10 << 20


def test_an_artifact_without_verdict_is_queued_again_by_the_next_run(tmp_path):
    publish(make_stage(str(tmp_path), "r1"))
    second = make_stage(str(tmp_path), "r2")
    ref = second.reuse()
    (request,) = (tmp_path / "runs" / "r2" / "expectations" / "inbox").iterdir()
    asked = json.loads(request.read_text())
    assert (asked["digest"], list(asked["tables"])) == (ref.digest, ["edges"])
    assert isinstance(second, Stage)


@pytest.mark.spark
def test_a_large_written_table_is_checked_by_spark(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("lakebed.tasks.runtime.stage.MAX_DRIVER_ROWS", 2)
    tables = [EDGES.table(edge_rows(7)[i : i + 3]) for i in range(0, 7, 3)]
    stage, small = make_stage(str(tmp_path / "large")), make_stage(str(tmp_path / "small"))
    ref = stage.publish({"edges": write_parts(stage, tables)}, {}, StageMetrics())
    assert ref == small.publish({"edges": pa.concat_tables(tables)}, {}, StageMetrics())
    broken = make_stage(str(tmp_path / "broken"))
    with pytest.raises(ContractError, match="`unique` in"):
        broken.publish({"edges": write_parts(broken, [EDGES.table([ROW])] * 3)}, {}, StageMetrics())


def stage_of(root, key, *, limit=1, **space):
    workspace = Workspace(lake=LakeConfig(root="lake"), artifacts=str(root), **space)
    return Stage(
        StageSpec("containment", 1, {"edges": EDGES}),
        inputs=(),
        config=Config(limit=limit),
        workspace=workspace,
        identity=[key],
        family=[b"the lake"],
    )


def made(root, key, **more):
    stage = stage_of(root, key, **more)
    return stage.publish({"edges": EDGES.table([ROW])}, {}, StageMetrics())


def test_a_full_run_takes_only_what_it_has_made_itself(tmp_path):
    ref = made(tmp_path, b"1", run_id="before")
    assert stage_of(tmp_path, b"1", run_id="now").reuse() == ref
    assert stage_of(tmp_path, b"1", run_id="now", is_full=True).reuse() is None
    assert made(tmp_path, b"1", run_id="now", is_full=True) == ref
    assert stage_of(tmp_path, b"1", run_id="now", is_full=True).reuse() == ref

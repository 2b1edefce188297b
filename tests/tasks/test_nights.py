"""Relations, lake graph, keys and topics of an edited lake: as a full run makes them, and only what changed is read."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable as DeltaLog
from deltalake import Field
from deltalake.schema import PrimitiveType

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.keys.stage import KEYS
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.previous import N_KEPT
from lakebed.tasks.lakegraph.stage import LAKEGRAPH
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.stage import RELATIONS
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.topics.stage import TOPICS
from tests.tasks.containment.conftest import BASE
from tests.tasks.edits import EditedLake

HELD = ContainmentConfig(hash_key="1d" * 32, rows_per_bucket=1 << 10)


def write_related(root, n_rows=(120, 120)):
    """Tables that are compared: one that two others hold together, one under other names, one of two files."""
    rows = pa.table({"code": [f"code {row * 7}" for row in range(240)], "size": [row * row for row in range(240)]})
    tables = {
        "years/first.parquet": rows.slice(0, n_rows[0]),
        "years/second.parquet": rows.slice(120, n_rows[1]),
        "years/both.parquet": rows.slice(60, 110),
        "years/renamed.parquet": rows.slice(5, 80).rename_columns(["key", "square"]),
        "months/part-00000.parquet": rows.slice(10, 70),
        "months/part-00001.parquet": rows.slice(100, 60),
    }
    for name, table in tables.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or pq.read_table(path).num_rows != table.num_rows:
            pq.write_table(table, path)


def run_night(root, artifacts, graph=None, relations=None):
    """The store, and the artifacts of relations, lake graph, keys and topics."""
    workspace = Workspace(lake=LakeConfig(root=str(root)), artifacts=str(artifacts))
    inventory = run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig()))
    containment = run_stage(CONTAINMENT, Inputs.of(workspace, inventory, HELD))
    inputs = Inputs.of(workspace, inventory, containment, HELD, relations or RelationsConfig())
    related = run_stage(RELATIONS, inputs)
    made = run_stage(LAKEGRAPH, Inputs.of(workspace, inventory, graph or LakeGraphConfig()))
    after = [run_stage(stage, Inputs.of(workspace, made)) for stage in (KEYS, TOPICS)]
    return ArtifactStore(str(artifacts)), (related, made, *after)


def check_night(folder, lake, name, **configs):
    """The night's run, held against a full one; its store and artifacts."""
    before = {path.name for path in (folder / "artifacts").glob("*/*")}
    newest = max((folder / "artifacts" / "lakegraph").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    kept_before = json.loads((newest / "manifest.json").read_text())["summary"][N_KEPT]
    store, refs = run_night(lake.root, folder / "artifacts", **configs)
    full, wanted = run_night(lake.root, folder / name, **configs)
    assert refs == wanted, lake.log
    # where columns may keep more values than before, those that were cut are read again, which may be all
    grows = store.manifest(refs[1]).summary[N_KEPT] > kept_before
    for ref in refs:
        # of the values that a column may keep all of the lake decides, so summaries are compared too
        assert store.manifest(ref).summary == full.manifest(ref).summary
        # keys and topics are those of an earlier night where an edit leaves the lake graph as it was
        assert ref.key in before or grows or store.metrics(ref)["changes"]["tables_reused"] > 0, lake.log
        assert full.metrics(ref)["changes"] == {}
        assert store.metrics(ref)["bytes_read"] <= full.metrics(ref)["bytes_read"], lake.log
    return store, refs


def hold(folder, seed, n_nights):
    configs = (
        {},
        {"graph": LakeGraphConfig(value_budget=1024 + 100 * seed), "relations": RelationsConfig(kinds=["near"])},
        {"graph": LakeGraphConfig(floats="rounded", float_digits=2)},
    )
    chosen = configs[seed % 3]
    lake = EditedLake(folder / "lake", BASE, seed)
    write_related(lake.root)
    run_night(lake.root, folder / "artifacts", **chosen)
    for number in range(n_nights):
        # on some nights a table that is compared has a row fewer, or has it again
        write_related(lake.root, (120 - (number + seed) % 2, 120 - number // 2 % 2))
        for _ in range(1 + number % 3):
            lake.edit()
        check_night(folder, lake, f"full {number}", **chosen)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_night_makes_what_a_full_run_makes(tmp_path, spark, seed):
    hold(tmp_path, seed, 3)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(10, 60))
def test_many_nights_make_what_full_runs_make(tmp_path, spark, seed):
    hold(tmp_path, seed, 6)


def test_only_a_changed_table_is_read_and_a_night_without_change_reads_nothing(tmp_path, spark):
    lake = EditedLake(tmp_path / "lake", BASE, 5)
    write_related(lake.root)
    store, (_, first, *_) = run_night(lake.root, tmp_path / "artifacts")
    whole = store.metrics(first)["bytes_read"]
    assert run_night(lake.root, tmp_path / "artifacts")[1][1] == first
    lake.edit()
    store, (related, made, *_) = check_night(tmp_path, lake, "full")
    changes = store.metrics(made)["changes"]
    assert 0 < changes["tables_reused"] and changes["tables_read"] <= 1
    assert store.metrics(made)["bytes_read"] < whole / 3
    asked = store.metrics(related)["changes"]
    assert asked["comparisons_reused"] >= 3 > asked["comparisons_made"]


@pytest.mark.parametrize("stage", ["relations", "lakegraph", "keys", "topics"])
def test_what_was_kept_and_is_damaged_is_named(tmp_path, spark, stage):
    lake = EditedLake(tmp_path / "lake", BASE, 6)
    run_night(lake.root, tmp_path / "artifacts")
    kept = sorted(Path(tmp_path / "artifacts" / stage).glob("*/previous/*.parquet"))[-1]
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 0xFF
    kept.write_bytes(data)
    lake.edit()
    with pytest.raises(ArtifactError, match="damaged") as error:
        run_night(lake.root, tmp_path / "artifacts")
    assert "--full" in error.value.hint


def test_a_column_that_came_without_a_file_is_read(tmp_path, spark):
    """As by `ALTER TABLE … ADD COLUMN`, which is a commit of the log alone."""
    lake = EditedLake(tmp_path / "lake", BASE, 7)
    run_night(lake.root, tmp_path / "artifacts")
    log = DeltaLog(lake.root / "delta_whole")
    log.alter.add_columns(Field("came", PrimitiveType("string")))
    store, (related, made, *_) = check_night(tmp_path, lake, "full")
    assert store.metrics(related)["changes"]["tables_read"] == store.metrics(made)["changes"]["tables_read"] == 1

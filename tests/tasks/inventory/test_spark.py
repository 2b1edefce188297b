from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.leaves import batch_leaves, schema_leaves
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import shared_session
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.jobs import share_out
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.inventory.worker import FooterUnit, TextUnit
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace


def units(*sizes: int) -> list[TextUnit]:
    return [TextUnit(str(size), "csv", "", {}, size) for size in sizes]


def test_work_is_shared_out_by_bytes_and_no_task_is_empty() -> None:
    assert share_out(units(1 << 30, 1, 1, 1), 2) == [[0], [1, 2, 3]]
    assert share_out(units(5), 8) == [[0]]
    assert sorted(place for task in share_out(units(*range(50)), 7) for place in task) == list(range(50))
    assert FooterUnit(()).n_bytes == 0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("inventory")
    (root / "lake").mkdir()
    return Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root / "artifacts"), spark=SparkConfig())


def rows(space: Workspace, ref: ArtifactRef, table: str) -> list[dict[str, object]]:
    return ArtifactStore(space.artifacts).read(ref, table).to_pylist()


@pytest.mark.spark
def test_text_missing_statistics_and_deletion_vectors_in_one_lake(workspace: Workspace) -> None:
    folder = Path(workspace.lake.root)
    session = shared_session(workspace.spark).get()
    frame = session.range(0, 20, 1, 1).selectExpr("id", "cast(id as string) as t", "id % 2 = 0 as b")
    frame.write.format("delta").option("delta.enableDeletionVectors", "true").save(str(folder / "dv"))
    session.sql(f"delete from delta.`{folder / 'dv'}` where id >= 15")  # noqa: S608 - Delta tables by path take no parameter
    (folder / "c.csv").write_text("a,b\n1,x\n2,\n30,y\n")
    (folder / "j.jsonl").write_text('{"n": {"x": 1.5}, "l": [1]}\n{"n": null}\n')
    (folder / "bad.csv").write_text('a,b\n1,2\n"unclosed,3\n')
    pq.write_table(pa.table({"i": [9, 4]}), folder / "nostats.parquet", write_statistics=False)
    ref = run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig(max_driver_footers=0)))
    tables = {str(table["name"]): table for table in rows(workspace, ref, "tables")}
    via = {name: (table["read_via"], table["n_rows"]) for name, table in tables.items()}
    assert via == {"dv": ("spark", 15), "c": ("staged", 3), "j": ("staged", 2), "nostats": ("arrow", 2)}
    assert [bad["name"] for bad in rows(workspace, ref, "unreadable")] == ["bad"]
    columns = {
        (name, str(column["token"])): (
            column["type_class"],
            column["min_text"],
            column["max_text"],
            column["tightness"],
        )
        for column in rows(workspace, ref, "columns")
        for name, table in tables.items()
        if table["table_id"] == column["table_id"]
    }
    assert columns["c", '["a"]'] == ("number", "1", "30", "tight")
    assert columns["c", '["b"]'][1:3] == ("x", "y")
    assert columns["j", '["n","x"]'] == ("number", "1.5", "1.5", "tight")
    assert columns["nostats", '["i"]'] == ("number", "4", "9", "tight")
    assert columns["dv", '["id"]'] == ("number", "0", "19", "wide")
    _check_staged(workspace, ref)
    assert run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig(max_driver_footers=0))) == ref


def _check_staged(space: Workspace, ref: ArtifactRef) -> None:
    folder = Path(ArtifactStore(space.artifacts).folder(ref.stage, ref.key))
    staged = [str(file["staged_path"]) for file in rows(space, ref, "files") if file["staged_path"]]
    assert sorted(str(path.relative_to(folder)) for path in (folder / "staged").iterdir()) == sorted(staged)
    batch = pq.read_table(folder / staged[0]).combine_chunks().to_batches()[0]
    assert batch_leaves(batch, schema_leaves(batch.schema))['["a"]'].values.to_pylist() == ["1", "2", "30"]

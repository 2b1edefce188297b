import pyarrow as pa
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, JsonLines
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.refs import observe, observe_again, table_refs
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.splits import InventoryTables
from tests.tasks.retention.recipes.lakes import SmallLake

TABLE = pa.table({"id": pa.array(range(60)), "kind": [f"k{n % 3}" for n in range(60)]})
LAYOUTS = {"a": None, "b/c": HivePartitions(("kind",)), "d": DeltaTable(partition_by=("kind",)), "e": CsvFile(";"),
           "f": JsonLines(".jsonl.gz")}  # fmt: skip


@pytest.mark.spark
def test_the_inventory_and_the_files_say_the_same(small: SmallLake, spark_config: object, spark: object) -> None:
    del spark
    for name, layout in LAYOUTS.items():
        small.put(name, TABLE, layout)  # type: ignore[arg-type]
    workspace = Workspace(lake=small.lake, artifacts=str(small.root.parent / "artifacts"), spark=spark_config)  # type: ignore[arg-type]
    store, ref = ArtifactStore(workspace.artifacts), run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig()))
    tables = InventoryTables(*(store.read(ref, name) for name in ("tables", "columns", "files")))
    refs = table_refs(tables, list(LAYOUTS))
    assert refs == {name: observe(small.lake, name) for name in LAYOUTS}
    assert TableReader(small.lake, refs["f"]).describe().n_rows == 60


def test_a_table_is_found_again_by_its_path(small: SmallLake) -> None:
    for name, layout in LAYOUTS.items():
        small.put(name, TABLE, layout)  # type: ignore[arg-type]
        ref = observe(small.lake, name)
        assert observe_again(small.lake, ref) == ref


def test_a_table_that_is_not_there_is_named(small: SmallLake) -> None:
    small.put("a", TABLE)
    with pytest.raises(PlanError, match="not there") as caught:
        observe(small.lake, "z")
    assert "z" in str(caught.value)


def test_a_table_that_cannot_be_read_is_named(small: SmallLake) -> None:
    small.put("a", TABLE)
    ref = observe(small.lake, "a")
    (small.root / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(PlanError, match="cannot be read"):
        observe_again(small.lake, ref)

"""Iceberg tables in an inventory: what is kept of them for the next run, and files that lie beside their folders."""

from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.previous import table_readings
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.splits import InventoryTables
from tests.iceberg_tables import HandMade, column


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    (tmp_path / "lake").mkdir()
    lake = LakeConfig(root=str(tmp_path / "lake"))
    return Workspace(lake=lake, artifacts=str(tmp_path / "artifacts"), engine="local")


def inventory(space: Workspace) -> ArtifactRef:
    return run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))


def tables(space: Workspace, ref: ArtifactRef) -> dict[str, tuple[str, str, int]]:
    rows = ArtifactStore(space.artifacts).read(ref, "tables").to_pylist()
    return {row["name"]: (row["format"], row["read_via"], row["n_rows"]) for row in rows}


def unreadable(space: Workspace, ref: ArtifactRef) -> dict[str, str]:
    rows = ArtifactStore(space.artifacts).read(ref, "unreadable").to_pylist()
    return {row["name"]: row["reason"] for row in rows}


def readings(space: Workspace, ref: ArtifactRef) -> dict[str, str]:
    """The digest of how each file of the one table is read."""
    parts = [ArtifactStore(space.artifacts).read(ref, name) for name in ("tables", "columns", "files")]
    return dict(table_readings(InventoryTables(*parts), [0])[0].files)


def test_a_file_beside_the_folder_is_a_part_of_the_table_and_none_by_itself(space: Workspace) -> None:
    root = Path(space.lake.root)
    pq.write_table(pa.table({"id": [1, 2]}), root / "exported.parquet")
    table = HandMade(root / "ice", [column(1, "id", "long")], location="s3://gone/lake/ice")
    table.commit(table.data(pa.table({"id": [3]})))
    (root / "stub" / "metadata").mkdir(parents=True)
    (root / "stub" / "metadata" / "v1.metadata.json").write_text("{}")
    (root / "stub" / "x.parquet").write_bytes((root / "exported.parquet").read_bytes())
    first = inventory(space)
    assert tables(space, first) == {"exported": ("parquet", "arrow", 2), "ice": ("iceberg", "arrow", 1)}
    assert list(unreadable(space, first)) == ["stub"] and "damaged" in unreadable(space, first)["stub"]
    # the file is added as it lies, without field ids
    table.properties["schema.name-mapping.default"] = '[{"field-id": 1, "names": ["id"]}]'
    entry = table.data(pa.table({"id": [9, 9]}))
    entry["data_file"]["file_path"] = "s3://gone/lake/exported.parquet"
    table.commit(entry)
    for _ in range(2):
        again = inventory(space)
        assert tables(space, again) == {"ice": ("iceberg", "arrow", 3)}
        assert "part of the Iceberg table ice" in unreadable(space, again)["exported"]
        # another file, so that the next inventory is a new one that may keep what has not changed
        (root / "notes.txt").write_text("x")


@pytest.mark.parametrize("name", ["exported.csv", "exported.avro"])
def test_files_of_every_format_that_an_iceberg_table_names_are_its_own(space: Workspace, name: str) -> None:
    """As `apply` has it: no file that metadata names is moved by itself, whatever its format."""
    root, rows = Path(space.lake.root), pa.table({"id": [1, 2]})
    (root / "exported.csv").write_text("id\n1\n2\n")
    with (root / "exported.avro").open("wb") as stream:
        schema = {"type": "record", "name": "r", "fields": [{"name": "id", "type": "long"}]}
        fastavro.writer(stream, schema, rows.to_pylist())
    table = HandMade(root / "ice", [column(1, "id", "long")], location="s3://gone/lake/ice")
    entry = table.data(rows)
    entry["data_file"]["file_path"] = f"s3://gone/lake/{name}"
    table.commit(entry)
    table.commit(table.data(rows), drop=True)
    for _ in range(2):
        found = inventory(space)
        (other,) = {"exported.csv", "exported.avro"} - {name}
        assert {path for path in tables(space, found)} <= {"ice", other, "exported"}
        assert ["part of the Iceberg table ice" in reason for reason in unreadable(space, found).values()] == [True]
        (root / "notes.txt").write_text("x")


def test_older_snapshots_deletes_and_refused_tables_have_files_beside_their_folders_too(space: Workspace) -> None:
    root, rows = Path(space.lake.root), pa.table({"id": [1, 2]})
    (root / "wd").mkdir()

    def beside(table: HandMade, entry: dict[str, Any], name: str) -> dict[str, Any]:
        path = entry["data_file"]["file_path"].removeprefix("s3://gone/lake/")
        (root / path).rename(root / "wd" / f"{name}.parquet")
        entry["data_file"]["file_path"] = f"s3://gone/lake/wd/{name}.parquet"
        return entry

    table = HandMade(root / "ice", [column(1, "id", "long")], location="s3://gone/lake/ice")
    table.commit(beside(table, table.data(rows), "old"))
    live = beside(table, table.data(rows), "live")
    table.commit(live, drop=True)
    table.commit(beside(table, table.equality(rows.slice(0, 1)), "eq"))
    two = HandMade(root / "two", [column(1, "id", "long")], location="s3://gone/lake/two", has_hint=False)
    two.name = "00001-a.metadata.json"
    two.commit(beside(two, two.data(rows), "two"))
    (root / "two/metadata/00001-b.metadata.json").write_bytes(
        (root / "two/metadata/00001-a.metadata.json").read_bytes()
    )
    pq.write_table(rows, root / "own.parquet")
    found = inventory(space)
    assert tables(space, found) == {"ice": ("iceberg", "iceberg", 1), "own": ("parquet", "arrow", 2)}
    reasons = unreadable(space, found)
    assert reasons.keys() == {"two", "wd/old", "wd/live", "wd/eq", "wd/two"}
    assert "part of the Iceberg table two" in reasons["wd/two"] and "two metadata files" in reasons["two"]


def test_after_an_append_only_the_new_files_are_read_again(space: Workspace) -> None:
    table = HandMade(Path(space.lake.root) / "ice", [column(1, "id", "long")])
    one, other = (table.data(pa.table({"id": [n, n + 1, n + 2]})) for n in (0, 3))
    table.commit(one, other)
    table.commit(table.positions(one, [0]))
    before = readings(space, inventory(space))
    table.commit(table.data(pa.table({"id": [7]})))
    after = readings(space, inventory(space))
    assert before.items() < after.items() and len(after) == 3
    table.commit(table.positions(other, [1]))
    last = readings(space, inventory(space))
    assert len(before.items() & last.items()) == 1
    assert tables(space, inventory(space)) == {"ice": ("iceberg", "iceberg", 5)}

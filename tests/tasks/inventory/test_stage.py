import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace


def workspace(root: Path, **lake: object) -> Workspace:
    return Workspace(lake=LakeConfig(root=str(root / "lake"), **lake), artifacts=str(root / "artifacts"))  # type: ignore[arg-type]


def rows(space: Workspace, ref: ArtifactRef, table: str) -> list[dict[str, object]]:
    return ArtifactStore(space.artifacts).read(ref, table).to_pylist()


def hash_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes() if path.is_file() else b"/")
    return digest.hexdigest()


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Path]:
    """A lake of Parquet and Delta tables, good and broken; checked to be untouched afterwards."""
    folder = tmp_path / "lake"
    for name in ("hive/k=1", "hive/k=2", "hive/k=__HIVE_DEFAULT_PARTITION__", "odd names"):
        (folder / name).mkdir(parents=True)
    pq.write_table(pa.table({"a": [1, 2, 3], "s": ["x", None, "y"]}), folder / "one.parquet")
    for index, name in enumerate(("k=1", "k=2", "k=__HIVE_DEFAULT_PARTITION__")):
        pq.write_table(pa.table({"v": [index, index + 1]}), folder / "hive" / name / "part-0.parquet")
    twice = pa.table([pa.array([1]), pa.array(["z"])], names=["a", "a"])
    pq.write_table(twice, folder / "odd names" / 'it\'s "q".x.parquet')
    pq.write_table(pa.table({"e": pa.array([], pa.int64())}), folder / "empty.parquet")
    (folder / "broken.parquet").write_bytes((folder / "one.parquet").read_bytes()[:-20])
    write_deltalake(str(folder / "d"), pa.table({"a": [5, 6]}))
    write_deltalake(str(folder / "d_lost"), pa.table({"a": [5]}))
    write_deltalake(str(folder / "d_lost"), pa.table({"a": [5]}), mode="append")
    os.unlink(folder / "d_lost" / "_delta_log" / f"{0:020d}.json")
    before = hash_of(folder)
    yield tmp_path
    assert hash_of(folder) == before


def test_a_lake_with_statistics_is_described_without_spark_and_reused(lake: Path) -> None:
    before = _session()
    space = workspace(lake)
    ref = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    tables = rows(space, ref, "tables")
    assert [(t["table_id"], t["name"], t["n_rows"], t["read_via"]) for t in tables] == [
        (0, "d", 2, "arrow"), (1, "empty", 0, "arrow"), (2, "hive", 6, "arrow"),
        (3, "odd names/it's \"q\".x", 1, "arrow"), (4, "one", 3, "arrow"),
    ]  # fmt: skip
    assert [bad["name"] for bad in rows(space, ref, "unreadable")] == ["broken", "d_lost"]
    assert ArtifactStore(space.artifacts).metrics(ref)["bytes_read"] == 0
    # an earlier test's session may run
    assert _session() is before
    assert run_stage(INVENTORY, Inputs.of(space, InventoryConfig())) == ref
    summary = ArtifactStore(space.artifacts).manifest(ref).summary
    assert (summary["tables"], summary["unreadable"], summary["rows"]) == (5, 2, 12)


def _session() -> object:
    if "pyspark" not in sys.modules:
        return None
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


def test_partitions_have_exact_values_types_and_bounds(lake: Path) -> None:
    space = workspace(lake)
    ref = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    columns = {(c["table_id"], c["token"]): c for c in rows(space, ref, "columns")}
    key = columns[2, '["k"]']
    assert (key["type"], key["n_nulls"], key["min_text"], key["max_text"], key["is_partition"]) == (
        "int64",
        2,
        "1",
        "2",
        True,
    )
    assert columns[3, '["a",2]']["type_class"] == "string"
    values = [row["value"] for row in rows(space, ref, "partition_values")]
    assert values[:2] == [key["min_lower"], key["max_upper"]]
    assert values[2:] == [None]
    files = [json.loads(str(row["partition_values"])) for row in rows(space, ref, "files") if row["table_id"] == 2]
    assert files == [{'["k"]': "1"}, {'["k"]': "2"}, {'["k"]': None}]
    assert len(rows(space, ref, "file_bounds")) == 6


def test_strict_names_the_broken_tables(lake: Path) -> None:
    with pytest.raises(SourceError, match="broken") as raised:
        run_stage(INVENTORY, Inputs.of(workspace(lake, strict=True), InventoryConfig()))
    assert raised.value.hint
    assert not list((lake / "artifacts").glob("inventory/*/manifest.json"))


def test_the_content_digest_does_not_depend_on_times(lake: Path) -> None:
    ref = run_stage(INVENTORY, Inputs.of(workspace(lake), InventoryConfig()))
    facts = os.stat(lake / "lake" / "one.parquet")
    os.utime(lake / "lake" / "one.parquet", ns=(1, 1))
    again = run_stage(INVENTORY, Inputs.of(workspace(lake), InventoryConfig()))
    os.utime(lake / "lake" / "one.parquet", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert again.key != ref.key
    assert again.digest == ref.digest


def test_a_lake_without_any_table_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "README.md").write_text("nothing here")
    with pytest.raises(ConfigError, match="no table"):
        run_stage(INVENTORY, Inputs.of(workspace(tmp_path), InventoryConfig()))


def test_files_that_disagree_on_a_type_make_their_table_unreadable(tmp_path: Path) -> None:
    folder = tmp_path / "lake" / "t"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), folder / "part-0.parquet")
    pq.write_table(pa.table({"a": ["x"]}), folder / "part-1.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "lake" / "u.parquet")
    space = workspace(tmp_path)
    ref = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    (bad,) = rows(space, ref, "unreadable")
    assert bad["name"] == "t"
    assert "int64" in str(bad["reason"])


def test_a_column_that_some_files_lack_reads_as_null_there(tmp_path: Path) -> None:
    folder = tmp_path / "lake" / "t"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"a": pa.array([1], pa.int32())}), folder / "part-0.parquet")
    pq.write_table(pa.table({"a": [7.5, 8.0], "b": ["x", "y"]}), folder / "part-1.parquet")
    space = workspace(tmp_path)
    ref = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    columns = {c["token"]: c for c in rows(space, ref, "columns")}
    assert (columns['["a"]']["type"], columns['["a"]']["min_text"], columns['["a"]']["max_text"]) == (
        "double",
        "1",
        "8.0",
    )
    assert (columns['["b"]']["n_nulls"], columns['["b"]']["min_text"]) == (1, "x")

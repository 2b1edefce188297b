"""Tables of a MariaDB server in the inventory, without Java: read once, known again, no secret anywhere."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import DatabaseConfig
from lakebed.tasks.inventory import build
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.services.mariadb import mariadb_server

pytest.importorskip("pymysql", reason="pip install PyMySQL, the extra lakebed[mariadb]")
SECRET = "s3cret-of-the-reader"  # noqa: S105 - of a server that lives as long as a test


def inventory(folder: Path, port: int) -> tuple[ArtifactStore, ArtifactRef]:
    url = f"jdbc:mariadb://127.0.0.1:{port}/shop"
    database = DatabaseConfig(url=url, user="reader", password_env="READER_PASSWORD")  # noqa: S106 - a name
    gone = database.model_copy(update={"url": "jdbc:postgresql://127.0.0.1:1/x"})
    lake = LakeConfig(root=str(folder / "lake"), databases={"shop": database, "elsewhere": gone})
    space = Workspace(lake=lake, artifacts=str(folder / "artifacts"), engine="local")
    return ArtifactStore(str(folder / "artifacts")), run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))


def tables(store: ArtifactStore, ref: ArtifactRef) -> dict[str, list[object]]:
    """The values of every table that has a copy, by name."""
    names, folder = store.read(ref, "tables")["name"].to_pylist(), f"{store.root}/inventory/{ref.key}"
    return {
        names[file["table_id"]]: pq.read_table(f"{folder}/{file['staged_path']}")["x"].to_pylist()
        for file in store.read(ref, "files").to_pylist()
        if file["staged_path"]
    }


def test_tables_are_read_once_and_known_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_PASSWORD", SECRET)
    (tmp_path / "lake").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "lake" / "a.parquet")
    (tmp_path / "lake" / "text.csv").write_text("x\n5\n")
    with mariadb_server() as server:
        server.sql(f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{SECRET}'; CREATE DATABASE shop")
        server.sql("GRANT SELECT ON shop.* TO reader@'127.0.0.1'")
        server.sql("CREATE TABLE t (x INT); CREATE TABLE u (x TEXT); CREATE TABLE bad (x DATE); SET sql_mode = ''; "
                   "INSERT INTO t VALUES (1), (2); INSERT INTO bad VALUES ('0000-00-00')", "shop")  # fmt: skip
        store, ref = inventory(tmp_path, server.port)
        assert tables(store, ref) == {"shop/shop.t": [1, 2], "shop/shop.u": [], "text": ["5"]}
        unreadable = {row["name"]: row["reason"] for row in store.read(ref, "unreadable").to_pylist()}
        assert unreadable["shop/shop.bad"].startswith("a column cannot be compared: x:")
        assert unreadable["elsewhere"] == "only Spark reads its tables"
        # one more row in one table: the other is not read
        server.sql("INSERT INTO t VALUES (3)", "shop")
        read: list[str] = []
        staged = build.stage_directly
        monkeypatch.setattr(
            build, "stage_directly", lambda reads, *a, **k: read.extend(r.name for r in reads) or staged(reads, *a, **k)
        )
        store, ref = inventory(tmp_path, server.port)
        assert sorted(read) == ["shop/shop.bad", "shop/shop.t"]
        assert tables(store, ref) == {"shop/shop.t": [1, 2, 3], "shop/shop.u": [], "text": ["5"]}
        assert store.metrics(ref)["changes"]["tables_reused"] == 3
        server.stop()
        store, ref = inventory(tmp_path, server.port)
        unreadable = {row["name"]: row["reason"] for row in store.read(ref, "unreadable").to_pylist()}
        assert "Can't connect" in unreadable["shop"] and list(tables(store, ref)) == ["text"]
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert SECRET.encode() not in path.read_bytes(), path

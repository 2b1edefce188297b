"""Tables of books in the inventory: their names, what is kept of them, what is said of those that are not read."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.inventory import books, stage
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace


def made(path: Path, **tables: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for name, values in tables.items():
            connection.execute(f'CREATE TABLE "{name}" (x)')
            connection.executemany(f'INSERT INTO "{name}" VALUES (?)', [(value,) for value in values])  # noqa: S608
        connection.commit()


def inventory(folder: Path, artifacts: str = "artifacts", **lake: object) -> tuple[ArtifactStore, ArtifactRef]:
    config = LakeConfig(root=str(folder / "lake"), **lake)  # type: ignore[arg-type]
    space = Workspace(lake=config, artifacts=str(folder / artifacts), engine="local")
    return ArtifactStore(str(folder / artifacts)), run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))


def rows(store: ArtifactStore, ref: ArtifactRef, name: str = "tables") -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in store.read(ref, name).to_pylist()}


def values(store: ArtifactStore, ref: ArtifactRef) -> dict[str, list[object]]:
    """The values of each staged table, by its name."""
    names, folder = store.read(ref, "tables")["name"].to_pylist(), f"{store.root}/inventory/{ref.key}"
    return {
        names[file["table_id"]]: pq.read_table(f"{folder}/{file['staged_path']}")["x"].to_pylist()
        for file in store.read(ref, "files").to_pylist()
        if file["staged_path"]
    }


def test_each_table_is_one_of_the_lake_and_keeps_the_others_names(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    made(lake / "shop.sqlite", orders=[1, 2], customers=["a"], secret=[1])
    made(lake / "day=1" / "part-0.db", t=[1])
    made(lake / "day=1" / "part-1.db", t=[1, 2, 3])
    (lake / "shop").mkdir()
    pq.write_table(pa.table({"x": [1]}), lake / "shop" / "orders.parquet")
    (lake / "other.db").write_bytes(b"no database")
    (lake / "locked.sqlite").write_bytes(b"no database")
    store, ref = inventory(tmp_path, exclude=("shop.sqlite#sec*",))
    found = rows(store, ref)
    assert sorted(found) == ["day=1/part-0/t", "day=1/part-1/t", "shop.sqlite/orders", "shop/customers", "shop/orders"]
    assert found["shop/orders"]["format"] == "parquet"
    assert found["shop/customers"]["path"] == "shop.sqlite#customers"
    n_bytes = sum(int(found[name]["n_bytes"]) for name in ("shop/customers", "shop.sqlite/orders"))  # type: ignore[call-overload]
    size = (lake / "shop.sqlite").stat().st_size
    assert size - 2 <= n_bytes <= size
    assert values(store, ref)["day=1/part-1/t"] == [1, 2, 3]
    assert list(rows(store, ref, "unreadable")) == ["locked.sqlite"]
    summary = store.manifest(ref).summary
    assert summary["other_files"] == 1


def test_a_file_that_is_not_changed_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = tmp_path / "lake"
    made(lake / "a.sqlite", t=[1], u=["x"], empty=[])
    made(lake / "b.sqlite", t=[2], u=["y"])
    (lake / "text.csv").write_text("x\n7\n")
    store, before = inventory(tmp_path)
    opened: list[str] = []
    listed = books._listed
    monkeypatch.setattr(books, "isolated", lambda work, items, *_, **__: map(work, items))
    monkeypatch.setattr(books, "_listed", lambda root, book: opened.append(book.path) or listed(root, book))
    made(lake / "b.sqlite", t=[3], v=["z"])
    # before all others: every copy has another number now
    (lake / "0.csv").write_text("x\n8\n")
    store, after = inventory(tmp_path)
    assert opened == ["b.sqlite"]
    assert values(store, after) == {
        "0": ["8"], "a/t": [1], "a/u": ["x"], "a/empty": [], "b/t": [3], "b/v": ["z"], "text": ["7"],
    }  # fmt: skip
    full, ref = inventory(tmp_path, "full")
    assert ref == after != before
    for name in full.manifest(ref).tables:
        assert full.read(ref, name).equals(store.read(after, name)), name


def test_a_log_beside_the_database_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "lake" / "a.sqlite"
    made(path, t=[1])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("INSERT INTO t VALUES (2)")
        connection.commit()
        store, ref = inventory(tmp_path)
        assert values(store, ref) == {"a/t": [1, 2]}
        facts = os.stat(path)
        connection.execute("INSERT INTO t VALUES (3)")
        connection.commit()
        assert os.stat(path).st_mtime_ns == facts.st_mtime_ns
        store, ref = inventory(tmp_path)
        assert values(store, ref) == {"a/t": [1, 2, 3]}


def test_rules_that_change_move_the_keys_of_what_they_rule_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "lake" / "blob")
    pq.write_table(pa.table({"x": [2]}), tmp_path / "lake" / "own.parquet")
    plain = inventory(tmp_path)[1].key
    (tmp_path / "lake" / "linked.parquet").symlink_to("blob")
    linked = inventory(tmp_path)[1].key
    monkeypatch.setattr(stage, "LINK_RULES", b"links 0")
    assert inventory(tmp_path)[1].key != linked
    (tmp_path / "lake" / "linked.parquet").unlink()
    assert inventory(tmp_path)[1].key == plain
    made(tmp_path / "lake" / "a.sqlite", t=[1])
    book = inventory(tmp_path)[1].key
    monkeypatch.setattr(stage, "FILE_RULES", b"files 1")
    assert inventory(tmp_path)[1].key != book


def test_strict_ends_at_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    made(tmp_path / "lake" / "a.sqlite", good=[1], bad=["text", b"bytes"])
    store, ref = inventory(tmp_path)
    assert list(rows(store, ref)) == ["a/good"]
    reason = rows(store, ref, "unreadable")["a/bad"]["reason"]
    assert reason == "a column holds bytes beside other values: x: bytes, str"
    with pytest.raises(SourceError, match="1 tables of the lake cannot be read"):
        inventory(tmp_path, strict=True)


def test_the_copies_of_databases_keep_their_names_beside_those_of_files() -> None:
    from lakebed.tasks.inventory.previous import _restaged

    tables = pa.table({"table_id": [0, 1, 2], "name": ["a", "b", "c"]})
    files = pa.table({"table_id": [0, 1, 2], "path": ["a.csv", "b/0", "c.parquet"], "staged_path": ["1", "2", None]})
    found = _restaged(files, tables, {("a", "a.csv"): "7"})
    assert found["staged_path"].to_pylist() == ["7", "2", None]
    assert pc.is_null(found["staged_path"])[2].as_py()

"""Tables that catalogs and other systems keep, in one inventory by the local engine: read once, known again."""

import tarfile
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import UnityConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory import build
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.connectors.lake.formats.test_ducklake import FIXTURES
from tests.connectors.lake.test_unity import TOKEN, Server
from tests.hudi_tables import HudiTable


def numbers(start: int, stop: int) -> pa.Table:
    return pa.table(
        {"id": pa.array(range(start, stop), pa.int64()), "label": [f"n{one}" for one in range(start, stop)]}
    )


def inventory(lake: LakeConfig, folder: Path) -> tuple[dict[str, tuple[str, str, int]], set[tuple[str, str]]]:
    """Format, way of reading and rows of each table, and the pairs of child and parent."""
    space = Workspace(lake=lake, artifacts=str(folder / "artifacts"), engine="local")
    ref = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    pairs = run_stage(CONTAINMENT, Inputs.of(space, ref, ContainmentConfig()))
    store = ArtifactStore(space.artifacts)
    tables = {
        row["name"]: (row["format"], row["read_via"], row["n_rows"]) for row in store.read(ref, "tables").to_pylist()
    }
    return tables, {(row["child"], row["parent"]) for row in store.read(pairs, "edges").to_pylist()}


def test_a_ducklake_and_a_table_of_unity_are_compared_with_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    with tarfile.open(FIXTURES / "sqlite.tar.xz") as packed:
        packed.extractall(lake, filter="data")
    (lake / "truth_t.parquet").rename(lake / "copy.parquet")
    for path in lake.glob("truth_*"):
        path.unlink()
    write_deltalake(tmp_path / "far", pq.read_table(lake / "copy.parquet").slice(0, 50))
    monkeypatch.setenv("UNITY_TOKEN", TOKEN)
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.add("m.s.few", (tmp_path / "far").as_uri())
        config = LakeConfig(root=str(lake), unity={"uc": UnityConfig(url=server.url, token_env="UNITY_TOKEN")})  # noqa: S106
        tables, pairs = inventory(config, tmp_path)
        server.shutdown()
    assert tables["meta/t"] == ("duckdb", "staged", 1788) and tables["uc/m.s.few"] == ("delta", "arrow", 50)
    assert tables.keys() == {
        "copy",
        "uc/m.s.few",
        *(f"meta/{one}" for one in ("added", "nothing", "p", "s2.u", "small", "t")),
    }
    assert {("copy", "meta/t"), ("meta/t", "copy"), ("uc/m.s.few", "meta/t"), ("uc/m.s.few", "copy")} <= pairs


def test_a_table_of_hudi_is_read_once_and_known_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hudi", reason="no hudi-rs here: pip install 'lakebed[hudi]'")
    (tmp_path / "lake").mkdir()
    rows = [{"id": one, "v": f"n{one}", "ts": one} for one in range(40)]
    HudiTable(tmp_path / "lake" / "sales" / "hudi").write(1, rows)
    pq.write_table(pa.Table.from_pylist(rows[:30]), tmp_path / "lake" / "some.parquet")
    lake = LakeConfig(root=str(tmp_path / "lake"))
    tables, pairs = inventory(lake, tmp_path)
    assert tables == {"sales/hudi": ("hudi", "staged", 40), "some": ("parquet", "arrow", 30)}
    assert pairs == {("some", "sales/hudi")}
    read: list[str] = []
    staged = build.stage_directly

    def noted(reads, *args, **more):  # type: ignore[no-untyped-def]
        read.extend(one.name for one in reads)
        staged(reads, *args, **more)

    monkeypatch.setattr(build, "stage_directly", noted)
    pq.write_table(pa.Table.from_pylist(rows[:20]), tmp_path / "lake" / "fewer.parquet")
    assert inventory(lake, tmp_path)[1] == {("some", "sales/hudi"), ("fewer", "sales/hudi"), ("fewer", "some")}
    assert read == []

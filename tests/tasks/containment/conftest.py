import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.data_samples.delta_log import SparkLikeDelta
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, JsonLines, ParquetFile
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.hash_key import root_key
from lakebed.tasks.runtime.workspace import Workspace

N_ROWS = 300


def base_table():
    rows = range(N_ROWS)
    return pa.table(
        {
            "id": pa.array([(row * 7919) % 10_007 for row in rows], pa.int64()),
            "city": pa.array([None if row % 11 == 0 else f"city {row % 7}" for row in rows]),
            "price": pa.array([row + 0.5 for row in rows], pa.float64()),
            "day": pa.array([date(2020, 1, 1) + timedelta(days=row % 90) for row in rows], pa.date32()),
        }
    )


BASE = base_table()
STRANGE = pa.table(
    {"id": [-9, 99_999], "city": ["aaa", "zzz"], "price": [-1.0, 1e9], "day": [date(1970, 1, 1), date(2100, 1, 1)]},
    schema=BASE.schema,
)


def near_miss():
    """All but one row of a part of the base, and one whose city is another's."""
    part = BASE.slice(30, 200)
    cities = part["city"].to_pylist()
    cities[100] = "city 0" if cities[100] != "city 0" else "city 1"
    return part.set_column(1, "city", pa.array(cities))


def mixed_tables():
    """Tables by name, each with its layout."""
    return {
        "orders": (BASE, ParquetFile(row_group_rows=64)),
        "copy": (BASE, DeltaTable(n_commits=3)),
        "cut": (BASE.slice(20, 220), ParquetFile(is_cutting_bounds=True)),
        "hive": (BASE.slice(50, 120).select(["id", "price", "day", "city"]), HivePartitions(("city",))),
        "deleted": (BASE.slice(20, 100), SparkLikeDelta(deleted=STRANGE)),
        "text/csv": (BASE.slice(60, 80), CsvFile()),
        "text/json": (BASE.slice(0, 90).drop_columns("day"), JsonLines()),
        "twice": (pa.concat_tables([BASE.slice(0, 40), BASE.slice(0, 10)]), ParquetFile()),
        "near": (near_miss(), ParquetFile()),
        "crossed": (BASE.set_column(1, "city", pa.array(BASE["city"].to_pylist()[::-1])), ParquetFile()),
        "later": (BASE.set_column(0, "id", pa.array([20_000 + row for row in range(N_ROWS)])), ParquetFile()),
        "ids": (BASE.select(["id"]).slice(5, 50), ParquetFile()),
        "empty": (BASE.slice(0, 0), ParquetFile()),
        "nulls": (pa.table({"id": pa.nulls(3, pa.int64()), "day": pa.nulls(3, pa.date32())}), ParquetFile()),
        "alone": (pa.table({"unlike any other": [1]}), ParquetFile()),
    }


def write_tables(root, tables):
    for name, (data, layout) in tables.items():
        layout.write(Path(root), name, data)


@dataclass(frozen=True)
class Inventoried:
    """A lake with its inventory; runs of the stage on it, each with artifacts of its own."""

    root: Path
    inventory: ArtifactRef

    def workspace(self, name: str, engine="auto", **lake) -> Workspace:
        """A workspace whose artifacts hold nothing but the inventory."""
        artifacts = self.root / "runs" / name
        if not artifacts.exists():
            shutil.copytree(self.root / "artifacts", artifacts)
        lake = LakeConfig(root=str(self.root / "lake"), **lake)
        return Workspace(lake=lake, artifacts=str(artifacts), engine=engine)

    def run(self, name: str, config: ContainmentConfig, engine="auto", **lake):
        """The stage's artifact, and the store it is in."""
        workspace = self.workspace(name, engine, **lake)
        ref = run_stage(CONTAINMENT, Inputs.of(workspace, self.inventory, config))
        return ArtifactStore(workspace.artifacts), ref


def inventoried(root, tables) -> Inventoried:
    """Writes the tables below `root`/lake and takes their inventory."""
    write_tables(root / "lake", tables)
    workspace = Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root / "artifacts"))
    # the runs' artifacts are copies of these, so they have one key and can be compared
    root_key(workspace.artifacts)
    return Inventoried(root, run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig())))


def pairs_of(edges):
    return set(zip(edges["child"].to_pylist(), edges["parent"].to_pylist(), strict=True))


@pytest.fixture(scope="session")
def mixed_lake(tmp_path_factory):
    """The tables of `mixed_tables` on disk, in all formats; read only."""
    return inventoried(tmp_path_factory.mktemp("mixed"), mixed_tables())


@pytest.fixture(scope="session")
def mixed_run(mixed_lake):
    """The store and the artifact of the exact mode under set semantics."""
    return mixed_lake.run("set", ContainmentConfig())

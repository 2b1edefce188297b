"""An inventory that keeps rows is the inventory that opens every table."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.inventory import build
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.gaps import Gap, TableGaps, choose_gaps
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.containment.conftest import BASE
from tests.tasks.containment.lakes import METADATA_ONLY
from tests.tasks.edits import EditedLake


def inventory(lake: Path, artifacts: Path, config: InventoryConfig = METADATA_ONLY, **more: object) -> ArtifactRef:
    space = Workspace(lake=LakeConfig(root=str(lake)), artifacts=str(artifacts), **more)  # type: ignore[arg-type]
    return run_stage(INVENTORY, Inputs.of(space, config))


@pytest.mark.parametrize("seed", range(6))
def test_edits_give_what_a_full_inventory_gives(tmp_path: Path, seed: int) -> None:
    lake = EditedLake(tmp_path / "lake", BASE, seed, has_text=False)
    inventory(lake.root, tmp_path / "artifacts")
    for number in range(6):
        lake.edit()
        ref = inventory(lake.root, tmp_path / "artifacts")
        full = inventory(lake.root, tmp_path / f"full {number}")
        assert ref == full, lake.log
        ours, theirs = ArtifactStore(str(tmp_path / "artifacts")), ArtifactStore(str(tmp_path / f"full {number}"))
        for name in ours.manifest(ref).tables:
            assert ours.read(ref, name).equals(theirs.read(ref, name)), (name, lake.log)
        assert ours.manifest(ref).summary == theirs.manifest(ref).summary


def test_only_what_changed_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = EditedLake(tmp_path / "lake", BASE, 0, has_text=False)
    inventory(lake.root, tmp_path / "artifacts")
    opened: list[str] = []
    read = build.read_footers

    def noted(root, entries, *rest, **options):  # type: ignore[no-untyped-def]
        opened.extend(entry.path for entry in entries)
        return read(root, entries, *rest, **options)

    monkeypatch.setattr(build, "read_footers", noted)
    pq.write_table(BASE.slice(0, 7), lake.root / "new.parquet")
    (lake.root / "narrow.parquet").unlink()
    os.utime(lake.root / "parquet_part.parquet", ns=(1, 1))
    ref = inventory(lake.root, tmp_path / "artifacts")
    assert opened == ["new.parquet", "parquet_part.parquet"]
    changes = ArtifactStore(str(tmp_path / "artifacts")).metrics(ref)["changes"]
    assert (changes["tables_changed"], changes["tables_new"], changes["tables_dropped"]) == (1, 1, 1)
    opened.clear()
    inventory(lake.root, tmp_path / "artifacts", run_id="full", is_full=True)
    assert len(opened) > 2


def test_an_unreadable_table_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    folder.mkdir()
    pq.write_table(pa.table({"x": [1]}), folder / "good.parquet")
    (folder / "bad.parquet").write_bytes(b"PAR1 not a table")
    for number in range(3):
        os.utime(folder / "good.parquet", ns=(number, number))
        ref = inventory(folder, tmp_path / "artifacts")
        store = ArtifactStore(str(tmp_path / "artifacts"))
        assert store.read(ref, "unreadable").num_rows == 1
        assert store.metrics(ref)["changes"].get("tables_new", 0) == 0


def test_the_bytes_of_gaps_are_shared_out_over_the_whole_lake() -> None:
    config = InventoryConfig(statistics_mib=0, statistics_share=0.1)
    small = TableGaps("small", 500, (Gap(40, '["x"]'), Gap(70, '["y"]')))
    assert choose_gaps([small], config) == {"small": [small.gaps[0]]}
    rival = TableGaps("a rival", 1, (Gap(30, '["z"]'),))
    assert set(choose_gaps([small, rival], config)) == {"a rival"}
    big = TableGaps("big", 10_000, ())
    assert choose_gaps([small, rival, big], config)["small"] == list(small.gaps)


@pytest.mark.spark
def test_a_kept_table_of_which_more_is_to_be_read_now_is_opened_again(tmp_path: Path, spark: object) -> None:
    folder = tmp_path / "lake"
    folder.mkdir()
    columns = {name: [f"{name}{n}" * 40 for n in range(2000)] for name in "xyz"}
    pq.write_table(pa.table(columns), folder / "silent.parquet", write_statistics=False, compression="none")
    config = InventoryConfig(statistics_mib=0, statistics_share=0.4)
    for number in range(3):
        ref = inventory(folder, tmp_path / "artifacts", config)
        full = inventory(folder, tmp_path / f"full {number}", config)
        assert ref == full
        rows = pa.table({f"other {number}": [os.urandom(40_000).hex() for _ in range(3)]})
        pq.write_table(rows, folder / f"more {number}.parquet", compression="none")

"""Bad input, end to end: a typed error or a listed table, nothing half-published, the lake as it was.

The tests run as root, whom permissions do not stop: a link to nowhere and a mount of its own stand in for them.
"""

import os
import shutil
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakebed.config import load_config
from lakebed.connectors.errors import ArtifactError, ConfigError, LakeError, SourceError
from lakebed.connectors.spark.failures import typed_failure
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from tests.flows.lakes import EDGES, orders, snapshot, write_parquet_lake
from tests.flows.processes import lakebed


def config_of(lake, artifacts, **lake_values):
    return load_config(None, {"lake": {"root": str(lake), **lake_values}, "artifacts": str(artifacts)})


def inventory_of(config):
    return run_stage(INVENTORY, Inputs.of(config.workspace(), config.inventory))


def published(root):
    return sorted(str(path.relative_to(root)) for path in root.glob("*/*/manifest.json"))


def unreadable_of(config, ref):
    return {row["name"]: row for row in ArtifactStore(config.artifacts).read(ref, "unreadable").to_pylist()}


def flip(path, at, bit=3):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(bytes(data))


def write_bad_parquet(lake):
    for name in ("truncated", "footer", "magic", "empty", "text"):
        pq.write_table(orders(), lake / f"{name}.parquet")
    data = (lake / "truncated.parquet").read_bytes()
    (lake / "truncated.parquet").write_bytes(data[: len(data) // 2])
    footer_at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    flip(lake / "footer.parquet", footer_at + 2)
    flip(lake / "magic.parquet", len(data) - 1)
    (lake / "empty.parquet").write_bytes(b"")
    (lake / "text.parquet").write_text("not parquet at all\n" * 50)


def write_broken_delta(lake):
    for mode in ("overwrite", "append", "append"):
        write_deltalake(str(lake / "history"), orders(20), mode=mode)
    (lake / "history" / "_delta_log" / f"{1:020}.json").unlink()


def write_bad_text(lake):
    (lake / "ragged.csv").write_text("a,b,c\n" + "1,2,3\n" * 20 + "1,2\n1,2,3,4\n")
    damaged = "J\xfcrgen,K\xf6ln\n".encode() * 20 + b"J\xfcrgen,Rom\n"
    (lake / "latin.csv").write_bytes(b"name,city\n" + damaged)
    (lake / "nul.csv").write_bytes(b"a,b\n" + b"1,2\n" * 20 + b"1,\x00\x00\n")
    (lake / "unclosed.csv").write_text("a,b\n" + "1,2\n" * 5 + '1,"two\n')
    (lake / "broken.jsonl").write_text('{"a": 1}\n{"a": \n')
    (lake / "good.csv").write_text("a,b\n" + "1,x\n2,y\n" * 10)


def test_bad_parquet_and_delta_are_listed_and_the_rest_is_found(parquet_lake, tmp_path):
    write_bad_parquet(parquet_lake)
    write_broken_delta(parquet_lake)
    os.symlink("nowhere", parquet_lake / "dangling.parquet")
    before = snapshot(parquet_lake)
    config = config_of(parquet_lake, tmp_path / "a")
    ref = inventory_of(config)
    listed = unreadable_of(config, ref)
    wanted = {"truncated", "footer", "magic", "empty", "text", "history", "dangling.parquet"}
    assert set(listed) == wanted
    assert all(row["reason"] for row in listed.values())
    assert "1" in listed["history"]["reason"]
    tables = ArtifactStore(config.artifacts).read(ref, "tables").column("name").to_pylist()
    assert tables == ["names", "orders", "orders_part"]
    assert snapshot(parquet_lake) == before


def test_with_strict_a_bad_table_ends_the_stage_and_nothing_is_published(parquet_lake, tmp_path):
    write_bad_parquet(parquet_lake)
    before = snapshot(parquet_lake)
    with pytest.raises(SourceError, match="5 tables") as caught:
        inventory_of(config_of(parquet_lake, tmp_path / "a", strict=True))
    assert len(caught.value.examples) == 5 and caught.value.hint
    assert published(tmp_path / "a") == []
    assert snapshot(parquet_lake) == before


def test_a_lake_of_bad_tables_only_is_still_an_answer(tmp_path):
    (tmp_path / "lake").mkdir()
    write_bad_parquet(tmp_path / "lake")
    config = config_of(tmp_path / "lake", tmp_path / "a")
    ref = inventory_of(config)
    assert len(unreadable_of(config, ref)) == 5
    assert ArtifactStore(config.artifacts).manifest(ref).summary["tables"] == 0


def make_file(path):
    path.write_text("x")


def make_hidden(path):
    path.mkdir()
    (path / "_SUCCESS").write_text("")
    (path / ".x.parquet").write_text("")


def make_no_table(path):
    path.mkdir()
    (path / "readme.md").write_text("no table")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (make_file, "is a file"),
        (lambda path: path.mkdir(), "is empty"),
        (make_hidden, "is empty"),
        (make_no_table, "holds no table"),
        (lambda path: path.symlink_to("nowhere"), "does not exist"),
        (lambda path: path.symlink_to(path.name), "lake"),
    ],
)
def test_a_lake_that_is_none(tmp_path, make, message):
    make(tmp_path / "lake")
    with pytest.raises(LakeError, match=message) as caught:
        inventory_of(config_of(tmp_path / "lake", tmp_path / "a"))
    assert isinstance(caught.value, ConfigError | SourceError)
    assert caught.value.hint
    assert published(tmp_path / "a") == []


def test_a_lake_below_a_file_does_not_exist(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="does not exist"):
        inventory_of(config_of(tmp_path / "file" / "lake", tmp_path / "a"))


@pytest.mark.spark
def test_bad_text_is_listed_and_the_rest_is_found(tmp_path, spark):
    lake = tmp_path / "lake"
    lake.mkdir()
    write_bad_text(lake)
    before = snapshot(lake)
    config = config_of(lake, tmp_path / "a")
    ref = inventory_of(config)
    listed = unreadable_of(config, ref)
    assert set(listed) == {"ragged", "latin", "nul", "unclosed", "broken"}
    assert all(row["reason"] and row["hint"] for row in listed.values()), listed
    assert "utf-8" in listed["latin"]["reason"].lower() + listed["latin"]["hint"].lower()
    assert ArtifactStore(config.artifacts).read(ref, "tables").column("name").to_pylist() == ["good"]
    assert snapshot(lake) == before


@pytest.mark.spark
def test_flipped_bits_in_data_cost_only_their_table(tmp_path, spark):
    """Footers are whole, so the damage shows when rows are read; it must never make an edge of a table unread."""
    lake = write_parquet_lake(tmp_path / "lake")
    for seed in range(6):
        path = lake / f"flipped{seed}.parquet"
        pq.write_table(orders().slice(0, 50), path, compression="snappy")
        first = pq.ParquetFile(path).metadata.row_group(0).column(seed % 3)
        start = first.dictionary_page_offset or first.data_page_offset
        flip(path, start + 5 + seed * 7, seed)
    before = snapshot(lake)
    config = config_of(lake, tmp_path / "a")
    inventory = inventory_of(config)
    ref = run_stage(CONTAINMENT, Inputs.of(config.workspace(), inventory, config.containment))
    store = ArtifactStore(config.artifacts)
    edges = {(row["child"], row["parent"]) for row in store.read(ref, "edges", ["child", "parent"]).to_pylist()}
    assert edges >= EDGES
    unstable = {row["name"]: row["reason"] for row in store.read(ref, "unstable").to_pylist()}
    assert unstable and all(unstable.values())
    assert not {name for edge in edges for name in edge} & unstable.keys()
    assert not unstable.keys() & {"names", "orders", "orders_part"}
    assert snapshot(lake) == before


@pytest.fixture
def disk(tmp_path):
    """Mounts a small file system; skips where that is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode != 0:
            pytest.skip("this user may not mount a file system")
        return folder

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, leave_bytes=0):
    with (folder / "filler").open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"0" * 4096)
        except OSError:
            pass
    if leave_bytes:
        os.truncate(folder / "filler", max(0, (folder / "filler").stat().st_size - leave_bytes))


def test_a_read_only_artifact_root_ends_the_run_at_once(parquet_lake, tmp_path, disk):
    disk("size=1m,ro")
    before = snapshot(parquet_lake)
    answer = lakebed("run", "--lake", "lake", "--artifacts", "disk/artifacts", "--json", folder=tmp_path)
    assert answer.status == 1
    assert answer.json["error"] == "ArtifactError"
    assert "read-only" in answer.json["what"] and answer.json["hint"]
    assert "Traceback" not in answer.err
    assert snapshot(parquet_lake) == before


def test_a_full_artifact_root_ends_the_run_at_once(parquet_lake, tmp_path, disk):
    fill(disk("size=64k"))
    answer = lakebed("run", "--lake", "lake", "--artifacts", "disk/artifacts", "--json", folder=tmp_path)
    assert answer.status == 1
    assert answer.json["error"] == "ArtifactError"
    assert "full" in answer.json["what"] and answer.json["hint"]
    assert "Traceback" not in answer.err


def test_a_disk_that_fills_up_leaves_no_half_inventory(parquet_lake, disk):
    """Ever more room, so that the disk is full at ever later steps of the stage."""
    folder = disk("size=1m")
    config = config_of(parquet_lake, folder / "artifacts")
    n_failed = 0
    while not published(folder / "artifacts"):
        shutil.rmtree(folder / "artifacts", ignore_errors=True)
        fill(folder, leave_bytes=4096 * (n_failed + 1))
        try:
            inventory_of(config)
        except ArtifactError as error:
            assert "full" in str(error) or "space" in str(error)
            assert published(folder / "artifacts") == []
            n_failed += 1
    assert n_failed >= 5
    store = ArtifactStore(config.artifacts)
    assert store.read(inventory_of(config), "tables").num_rows == 3


@pytest.mark.spark
def test_a_disk_that_fills_up_leaves_no_half_containment(parquet_lake, disk, spark):
    folder = disk("size=2m")
    config = config_of(parquet_lake, folder / "artifacts")
    inventory = inventory_of(config)
    fill(folder)
    with pytest.raises(Exception, match=r"full|space") as caught:
        run_stage(CONTAINMENT, Inputs.of(config.workspace(), inventory, config.containment))
    typed = typed_failure(caught.value) or caught.value
    assert isinstance(typed, ArtifactError), typed
    assert "full" in typed.what
    assert len(published(folder / "artifacts")) == 1
    (folder / "filler").unlink()
    ref = run_stage(CONTAINMENT, Inputs.of(config.workspace(), inventory, config.containment))
    assert ArtifactStore(config.artifacts).read(ref, "edges").num_rows == len(EDGES)


@pytest.mark.flow
@pytest.mark.heavy
def test_a_disk_that_fills_up_during_a_run_is_said(parquet_lake, tmp_path, disk):
    folder = disk("size=8m")
    fill(folder, leave_bytes=120 << 10)
    arguments = ("run", "--lake", "lake", "--artifacts", "disk/artifacts", "--json")
    answer = lakebed(*arguments, folder=tmp_path)
    assert answer.status == 1
    assert answer.json["error"] == "ArtifactError", answer.err
    assert "Traceback" not in answer.err
    (folder / "filler").unlink()
    again = lakebed(*arguments, folder=tmp_path)
    assert again.status == 0, again.err
    assert again.json["proven"] == len(EDGES)


def test_tables_without_columns_or_rows_are_fine(tmp_path):
    """A table without columns or rows is no reason to fail either."""
    lake = write_parquet_lake(tmp_path / "lake")
    pq.write_table(pa.table({}), lake / "columnless.parquet")
    pq.write_table(orders(0), lake / "rowless.parquet")
    config = config_of(lake, tmp_path / "a")
    ref = inventory_of(config)
    assert "rowless" in ArtifactStore(config.artifacts).read(ref, "tables").column("name").to_pylist()

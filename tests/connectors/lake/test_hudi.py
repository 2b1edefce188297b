"""Tables of Hudi, copy on write and merge on read, written by hand: their newest snapshot, by hudi-rs."""

import sys
from pathlib import Path

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.hudi import HudiRead
from lakebed.data_samples.families.managed import write_managed_lake
from lakebed.tasks.inventory.sources import listed_lake
from lakebed.tasks.runtime.workspace import Workspace
from tests.hudi_tables import HudiTable
from tests.tasks.quarantine.s3 import s3_server, upload


def rows(start: int, stop: int, v: str, ts: int = 0) -> list[dict[str, object]]:
    return [{"id": number, "v": v, "ts": ts} for number in range(start, stop)]


def read(root: Path, tmp_path: Path) -> tuple[dict[str, pa.Table], dict[str, str], dict[str, str]]:
    """Each table that is read, the state of each, and what is not read with its reason."""
    lake = LakeConfig(root=str(root))
    with listed_lake(Workspace(lake=lake, artifacts=str(tmp_path / "a"), engine="local")) as opened:
        listing = opened.listing
        reads = {source.name: opened.read(source.name) for source in listing.sources}
        assert all(isinstance(one, HudiRead) for one in reads.values())
        tables = {name: pa.Table.from_batches(one.batches(), one.schema) for name, one in reads.items()}  # type: ignore[union-attr]
    assert {table.name for table in discover(listing, lake).tables} == {"plain"}
    states = {source.name: source.files[0].etag for source in listing.sources}
    return tables, states, {problem.name: f"{problem.reason} {problem.hint}" for problem in listing.problems}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "plain.csv").write_text("a\n1\n")
    return tmp_path / "lake"


@pytest.fixture
def hudi() -> None:
    pytest.importorskip("hudi", reason="no hudi-rs here: pip install 'lakebed[hudi]'")


@pytest.mark.usefixtures("hudi")
def test_a_copy_on_write_table_has_the_rows_of_its_newest_snapshot(root: Path, tmp_path: Path) -> None:
    table = HudiTable(root / "sales" / "t")
    table.write(1, rows(0, 10, "a"))
    table.write(1, rows(100, 105, "b"), n=1)
    (found, before, problems) = read(root, tmp_path)
    assert found.keys() == {"sales/t"} and problems == {}
    assert found["sales/t"].schema.names == ["id", "v", "ts"]
    assert sorted(found["sales/t"]["id"].to_pylist()) == [*range(10), *range(100, 105)]
    assert read(root, tmp_path)[1] == before
    table.write(2, rows(0, 7, "c"))
    found, after, _ = read(root, tmp_path)
    assert sorted(found["sales/t"]["v"].to_pylist()) == [*"bbbbb", *"ccccccc"] and after != before


@pytest.mark.usefixtures("hudi")
def test_a_merge_on_read_table_has_the_rows_of_its_logs(root: Path, tmp_path: Path) -> None:
    table = HudiTable(root / "t", is_mor=True)
    table.write(1, rows(0, 10, "old"))
    before = read(root, tmp_path)[1]
    table.log(2, rows(3, 5, "new", ts=9))
    found, after, problems = read(root, tmp_path)
    made = dict(zip(found["t"]["id"].to_pylist(), found["t"]["v"].to_pylist(), strict=True))
    assert made == {number: "new" if number in (3, 4) else "old" for number in range(10)}
    assert problems == {} and after != before


@pytest.mark.usefixtures("hudi")
@pytest.mark.parametrize("is_mor", [False, True])
def test_a_table_that_was_written_to_since_it_was_listed_gives_no_rows(
    root: Path, tmp_path: Path, is_mor: bool
) -> None:
    table = HudiTable(root / "t", is_mor=is_mor)
    table.write(1, rows(0, 10, "a"))
    lake = LakeConfig(root=str(root))
    with listed_lake(Workspace(lake=lake, artifacts=str(tmp_path / "a"), engine="local")) as opened:
        (table.log if is_mor else table.write)(2, rows(0, 7, "b", ts=9))
        with pytest.raises(SourceError, match="written to after it was listed"):
            next(iter(opened.read("t").batches()))  # type: ignore[union-attr]


@pytest.mark.usefixtures("hudi")
def test_a_damaged_table_costs_itself_alone_and_a_twin_has_its_own_name(root: Path, tmp_path: Path) -> None:
    good, bad, cut = (HudiTable(root / name) for name in ("plain", "bad", "cut"))
    for one in (good, bad, cut):
        one.write(1, rows(0, 3, "a"))
    (root / "bad" / ".hoodie" / "hoodie.properties").write_text("hoodie.table.version=6\n")
    with listed_lake(
        Workspace(lake=LakeConfig(root=str(root)), artifacts=str(tmp_path / "a"), engine="local")
    ) as opened:
        assert {source.name for source in opened.listing.sources} == {"cut", "plain/.hudi"}
        assert [problem.name for problem in opened.listing.problems] == ["bad"]
        (base,) = (root / "cut").glob("*.parquet")
        base.write_bytes(base.read_bytes()[:-20])
        with pytest.raises(SourceError, match="a table of Hudi cannot be read"):
            list(opened.read("cut").batches())  # type: ignore[union-attr]
        assert len(pa.Table.from_batches(opened.read("plain/.hudi").batches())) == 3  # type: ignore[union-attr]


@pytest.mark.usefixtures("hudi")
def test_what_only_looks_like_a_table_is_listed_as_before(tmp_path: Path) -> None:
    write_managed_lake(tmp_path / "lake")
    lake = LakeConfig(root=str(tmp_path / "lake"))
    with listed_lake(Workspace(lake=lake, artifacts=str(tmp_path / "a"), engine="local")) as opened:
        assert not opened.listing.sources
        reasons = {one.name: one.reason for one in opened.listing.problems if one.format == "hudi"}
        assert reasons.keys() == {"hudi/orders", "hudi_copied"}
        # without a timeline hudi-rs is not asked
        assert reasons["hudi_copied"].endswith("nothing in this folder is a table of its own")


def test_without_its_package_a_table_is_listed_with_the_extra(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HudiTable(root / "t").write(1, rows(0, 3, "a"))
    monkeypatch.setitem(sys.modules, "hudi", None)
    found, _, problems = read(root, tmp_path)
    assert found == {} and "kept by Hudi" in problems["t"]
    assert "the package hudi is not installed" in problems["t"] and "lakebed[hudi]" in problems["t"]


@pytest.mark.usefixtures("hudi")
def test_a_table_on_a_store_is_read_as_in_a_folder(root: Path, tmp_path: Path) -> None:
    HudiTable(root / "t", is_mor=True).write(1, rows(0, 10, "a"))
    with s3_server():
        place = upload(root, "some/lake")
        with listed_lake(
            Workspace(lake=LakeConfig(root=place), artifacts=str(tmp_path / "a"), engine="local")
        ) as opened:
            assert opened.listing.problems == ()
            found = opened.read("t")
            assert isinstance(found, HudiRead)
            assert pa.Table.from_batches(found.batches())["id"].to_pylist() == [*range(10)]

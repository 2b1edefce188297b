"""DuckLakes that DuckDB 1.5.5 wrote: each table has the rows that DuckDB reads, and no file of theirs is a table."""

import contextlib
import random
import shutil
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import LakeConfig, TextConfig
from lakebed.connectors.lake.databases import VIEW
from lakebed.connectors.lake.discovery import discover, format_of
from lakebed.connectors.lake.formats.staging import Copy, Staged, list_book, list_claims, stage_book
from lakebed.connectors.lake.listing import list_lake
from lakebed.tasks.inventory.worker import BookUnit, WorkContext, do_units
from tests.tasks.quarantine.s3 import s3_server, upload

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "ducklake"
TABLES = ("added", "nothing", "p", "s2.u", "small", "t")


@pytest.fixture(params=["duckdb", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "duckdb":
        pytest.importorskip("duckdb")
    return str(request.param)


def unpacked(folder: Path, kind: str) -> tuple[Path, dict[str, pa.Table]]:
    """The lake, and the truth of each of its tables."""
    with tarfile.open(FIXTURES / f"{kind}.tar.xz") as packed:
        packed.extractall(folder / "lake", filter="data")
    truth = {}
    for table in TABLES:
        path = folder / "lake" / f"truth_{table}.parquet"
        truth[table] = pq.read_table(path)
        path.unlink()
    return folder / "lake", truth


def staged(lake: Path, out: Path, *parts: str, catalog: str = "meta.ducklake") -> dict[str, Staged]:
    out.mkdir(exist_ok=True)
    copies = [Copy(part, str(out / f"{part}.parquet")) for part in parts or TABLES]
    format_ = "sqlite" if catalog.endswith(".sqlite") else "duckdb"
    return dict(zip([copy.part for copy in copies], stage_book(str(lake), catalog, format_, copies), strict=True))


def rows(table: pa.Table) -> list[str]:
    cells = [[str(cell) if name == "u" else cell for cell in table[name].to_pylist()] for name in table.column_names]
    return sorted(map(repr, zip(*cells, strict=True)))


def test_each_table_has_the_rows_that_duckdb_reads(tmp_path: Path, kind: str) -> None:
    lake, truth = unpacked(tmp_path, kind)
    for part, outcome in staged(lake, tmp_path / "out").items():
        assert outcome.error is None, outcome.error
        found = pq.read_table(tmp_path / "out" / f"{part}.parquet")
        assert found.column_names == truth[part].column_names
        assert rows(found) == rows(truth[part]), part
    assert truth["t"].num_rows == 1788 and pq.read_table(tmp_path / "out" / "small.parquet").schema.types == [
        pa.int8(), pa.string(), pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.decimal128(10, 2),
        pa.float32(), pa.binary(), pa.string(), pa.bool_(), pa.time64("us"),
    ]  # fmt: skip


def test_neither_its_files_nor_its_metadata_are_tables(tmp_path: Path, kind: str) -> None:
    """A file that was added by hand goes by what the catalog says, all others by their names."""
    lake, _ = unpacked(tmp_path, kind)
    shutil.copy(lake / "hand.parquet", lake / "other.parquet")
    config = LakeConfig(root=str(lake))
    listing = list_lake(config)
    book = list_book(str(lake), "meta.ducklake", "duckdb")
    found = discover(listing, config, {"meta.ducklake": book})
    assert {table.name for table in found.tables} == {"other", *(f"meta/{part}" for part in TABLES)}
    assert {(one.name, one.format) for one in found.unreadable} == {("meta/v", VIEW), ("hand.parquet", "ducklake")}
    assert {one.name for one in listing.problems} == {"files"}
    assert "read by its catalog alone" in listing.problems[0].reason


def test_its_own_ending_is_not_needed_and_it_may_lie_elsewhere_than_it_did(tmp_path: Path) -> None:
    lake, truth = unpacked(tmp_path, "sqlite")
    (lake / "meta.ducklake").rename(lake / "shop.sqlite")
    with sqlite3.connect(lake / "shop.sqlite") as catalog:
        catalog.execute("UPDATE ducklake_metadata SET value = '/no/longer/files/' WHERE key = 'data_path'")
        catalog.execute("CREATE TABLE beside (x INT)")
        catalog.execute("INSERT INTO beside VALUES (1), (2)")
    assert list_book(str(lake), "shop.sqlite", "sqlite").parts == tuple(sorted([*TABLES, "beside"]))
    for part, outcome in staged(lake, tmp_path / "out", "t", "beside", catalog="shop.sqlite").items():
        assert outcome.error is None, outcome.error
        assert pq.read_table(tmp_path / "out" / f"{part}.parquet").num_rows == (
            truth["t"].num_rows if part == "t" else 2
        )


def opened(catalog: Path, kind: str) -> contextlib.closing[Any]:
    if kind == "sqlite":
        return contextlib.closing(sqlite3.connect(catalog, isolation_level=None))
    import duckdb

    return contextlib.closing(duckdb.connect(str(catalog)))


@pytest.mark.parametrize("name", ["meta.ducklake", "meta.duckdb", "meta.db", "meta.sqlite", "meta.DDB"])
def test_a_catalog_is_known_by_how_it_begins_whatever_it_is_called(tmp_path: Path, kind: str, name: str) -> None:
    """No file of its tables is one of its own, and left out by the globs it keeps them, too."""
    lake, truth = unpacked(tmp_path, kind)
    (lake / "meta.ducklake").rename(lake / name)
    format_ = format_of(name)
    assert format_ in ("sqlite", "duckdb")
    config = LakeConfig(root=str(lake))
    found = discover(list_lake(config), config, {name: list_book(str(lake), name, format_)})
    assert {table.name for table in found.tables} == {f"meta/{part}" for part in TABLES}
    assert {(one.name, one.format) for one in found.unreadable} == {("meta/v", VIEW), ("hand.parquet", "ducklake")}
    (outcome,) = stage_book(str(lake), name, format_, [Copy("small", str(tmp_path / "small.parquet"))])
    assert outcome.error is None and rows(pq.read_table(tmp_path / "small.parquet")) == rows(truth["small"])
    assert {one.part for one in list_claims(str(lake), name, format_).unread} == {"hand.parquet"}


def test_tables_of_its_database_that_are_called_like_the_lakes_are_read_beside_them(tmp_path: Path, kind: str) -> None:
    lake, truth = unpacked(tmp_path, kind)
    with opened(lake / "meta.ducklake", kind) as catalog:
        catalog.execute("CREATE TABLE small AS SELECT 'raw' AS x")
        catalog.execute("CREATE TABLE beside AS SELECT 'other' AS x")
        # the lake has a view of this name, and a table of that one
        catalog.execute("CREATE TABLE v AS SELECT 'seen' AS x")
        catalog.execute("CREATE VIEW p AS SELECT 1 AS x")
    own = {"database.main.small": "raw", "beside": "other", "database.main.v": "seen"}
    book = list_book(str(lake), "meta.ducklake", "duckdb")
    assert book.parts == tuple(sorted([*TABLES, *own]))
    assert {one.part for one in book.unread if one.format == VIEW} == {"v", "database.main.p"}
    for part, outcome in staged(lake, tmp_path / "out", "small", *own).items():
        assert outcome.error is None, outcome.error
        found = pq.read_table(tmp_path / "out" / f"{part}.parquet")
        assert rows(found) == (rows(truth["small"]) if part == "small" else [repr((own[part],))]), part


@pytest.mark.parametrize(
    ("statement", "table", "reason"),
    [
        ("UPDATE ducklake_data_file SET file_size_bytes = 1 WHERE table_id = 1", "t", "gone, changed or"),
        ("UPDATE ducklake_data_file SET record_count = 1 WHERE table_id = 1", "t", "other rows than it should have"),
        ("UPDATE ducklake_data_file SET file_format = 'vortex' WHERE table_id = 1", "t", "format vortex"),
        ("UPDATE ducklake_delete_file SET format = 'puffin'", "t", "delete file of the format puffin"),
        ("UPDATE ducklake_column SET column_type = 'variant' WHERE column_name = 'label'", "t", "the type variant"),
        ("UPDATE ducklake_data_file SET path = '/elsewhere/x.parquet', path_is_relative = 0", "t", "gone"),
        ("UPDATE ducklake_column SET end_snapshot = 1 WHERE parent_column = 2", "s2.u", "a field was altered"),
        ("UPDATE ducklake_name_mapping SET is_partition = 1", "added", "in the name of a folder"),
    ],
)  # fmt: skip
def test_what_is_not_known_or_gone_costs_its_table_alone(
    tmp_path: Path, statement: str, table: str, reason: str
) -> None:
    lake, _ = unpacked(tmp_path, "sqlite")
    with sqlite3.connect(lake / "meta.ducklake") as catalog:
        catalog.execute(statement)
    outcomes = staged(lake, tmp_path / "out", table, "small")
    assert reason in str(outcomes[table].error) and outcomes["small"].error is None


@pytest.mark.parametrize(("key", "value"), [("version", "2.0"), ("encrypted", "true")])
def test_a_lake_of_another_version_or_with_keys_is_refused(tmp_path: Path, key: str, value: str) -> None:
    lake, _ = unpacked(tmp_path, "sqlite")
    with sqlite3.connect(lake / "meta.ducklake") as catalog:
        catalog.execute("UPDATE ducklake_metadata SET value = ? WHERE key = ?", (value, key))
    with pytest.raises(SourceError, match=r"expected: +a DuckLake 1\.0 that is not encrypted"):
        list_book(str(lake), "meta.ducklake", "duckdb")


def test_a_file_that_is_only_called_so_is_no_book(tmp_path: Path) -> None:
    (tmp_path / "x.ducklake").write_text("DUCK")
    assert list_book(str(tmp_path), "x.ducklake", "duckdb").is_other


@pytest.mark.parametrize("seed", range(2))
def test_damaged_lakes_cost_themselves_alone(tmp_path: Path, seed: int) -> None:
    """Cells of the catalog that are null, huge, negative or text; bytes of it that are flipped; data that is cut."""
    rng = random.Random(seed)
    made, _ = unpacked(tmp_path, "sqlite")
    units, names = (
        [],
        [f"ducklake_{one}" for one in ("data_file", "column", "table", "schema", "delete_file", "snapshot")],
    )
    names += ["ducklake_inlined_data_tables", "ducklake_schema_versions", "ducklake_inlined_delete_1"]
    for number in range(60):
        lake = tmp_path / "lakes" / str(number)
        shutil.copytree(made, lake)
        if number % 3 == 0:
            with sqlite3.connect(lake / "meta.ducklake") as catalog:
                name = rng.choice(names)
                column = rng.choice([row[1] for row in catalog.execute(f"PRAGMA table_info({name})")])
                wrong = rng.choice([None, -1, 1 << 62, "x", "", 2.5])
                catalog.execute(f"UPDATE OR IGNORE {name} SET {column} = ?", (wrong,))  # noqa: S608
        else:
            path = lake / "meta.ducklake" if number % 3 == 1 else rng.choice(sorted(lake.rglob("ducklake-*.parquet")))
            data = bytearray(path.read_bytes())
            for _ in range(rng.randint(1, 12)):
                data[rng.randrange(16, len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
        copies = tuple(Copy(part, str(tmp_path / "out" / f"{number}-{part}.parquet")) for part in TABLES)
        units.append(BookUnit(f"lakes/{number}/meta.ducklake", "duckdb", copies, 1))
    found = list(do_units(WorkContext(str(tmp_path), TextConfig(), False), units))
    parts = [outcome.of_copy(place) for outcome in found for place in range(len(TABLES))]
    assert len(parts) == 60 * len(TABLES)
    for outcome in parts:
        assert (outcome.error is None) == bool(outcome.footers)
        assert outcome.error is None or str(outcome.error.value or outcome.error.what)
    told = [str(outcome.error) for outcome in parts if outcome.error is not None]
    assert len(told) > 30 and not any("its reader dies" in one for one in told)


def test_a_lake_on_a_store_is_read_as_in_a_folder(tmp_path: Path, kind: str) -> None:
    lake, truth = unpacked(tmp_path, kind)
    with s3_server():
        root = upload(lake, "some/lake")
        assert list_book(root, "meta.ducklake", "duckdb").parts == TABLES
        copies = [Copy(part, str(tmp_path / f"{part}.parquet")) for part in ("t", "added", "s2.u")]
        for copy, outcome in zip(copies, stage_book(root, "meta.ducklake", "duckdb", copies), strict=True):
            assert outcome.error is None, outcome.error
            assert rows(pq.read_table(copy.out_path)) == rows(truth[copy.part])

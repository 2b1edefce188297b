"""Files that a DuckLake keeps are no tables of their own, whatever becomes of its catalog."""

import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.connectors.lake.formats.test_ducklake import unpacked
from tests.tasks.inventory.test_books import inventory, rows

HAND = "path LIKE '%hand%'"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    made, _ = unpacked(tmp_path, "sqlite")
    pq.write_table(pa.table({"a": [1]}), made / "own.parquet")
    return made


def told(catalog: Path, *statements: str) -> None:
    with sqlite3.connect(catalog) as connection:
        for statement in statements:
            connection.execute(statement)


def found(lake: Path, root: Path | None = None, **settings: object) -> tuple[set[str], dict[str, str]]:
    """Names of the plain tables, and what is listed as of DuckLake with its hint."""
    config = {"exclude": (), **settings}
    folder = (root or lake).parent
    store, ref = inventory(folder, **config)
    names = {name for name in rows(store, ref) if not name.startswith("meta")}
    listed = rows(store, ref, "unreadable")
    return names, {name: str(row["hint"]) for name, row in listed.items() if row["format"] == "ducklake"}


@pytest.mark.parametrize("name", ["meta.ducklake", "meta.db"])
def test_a_catalog_that_is_left_out_keeps_its_files(lake: Path, name: str) -> None:
    (lake / "meta.ducklake").rename(lake / name)
    (lake / "also.parquet").symlink_to("hand.parquet")
    names, listed = found(lake, exclude=(name,))
    assert names == {"own"} and listed.keys() >= {"hand.parquet", "also.parquet"}
    # known again, and none of its tables is lost once it is let in
    assert found(lake, exclude=(name,)) == (names, listed)
    assert found(lake, include=("*.parquet",))[0] == {"own"}
    store, ref = inventory(lake.parent)
    assert "meta/added" in rows(store, ref) and "hand" not in rows(store, ref)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ducklake_metadata SET value = '0.3' WHERE key = 'version'",
        "UPDATE ducklake_metadata SET value = 'true' WHERE key = 'encrypted'",
        "ALTER TABLE ducklake_table DROP COLUMN path_is_relative",
        "ALTER TABLE ducklake_schema DROP COLUMN path",
    ],
)
def test_a_catalog_of_another_version_keeps_its_files(lake: Path, statement: str) -> None:
    told(lake / "meta.ducklake", statement)
    names, listed = found(lake)
    assert names == {"own"} and "hand.parquet" in listed


def test_what_lies_in_the_data_folder_of_a_catalog_that_cannot_be_read_is_its(lake: Path) -> None:
    (lake / "far" / "away").mkdir(parents=True)
    for place in ("far/hand.parquet", "far/away/x.parquet"):
        shutil.copy(lake / "hand.parquet", lake / place)
    told(
        lake / "meta.ducklake",
        f"UPDATE ducklake_metadata SET value = '{lake}/far/' WHERE key = 'data_path'",  # noqa: S608
        "ALTER TABLE ducklake_data_file RENAME COLUMN path TO place",
    )
    names, listed = found(lake)
    assert names == {"hand", "own"} and "DuckLake 1.0" in listed["far"]


def test_the_folder_beside_a_damaged_catalog_is_its(lake: Path) -> None:
    (lake / "meta.ducklake").rename(lake / "meta.sqlite")
    (lake / "meta.sqlite").write_bytes(b"SQLite format 3\0 and no more")
    (lake / "meta.sqlite.files").mkdir()
    (lake / "hand.parquet").rename(lake / "meta.sqlite.files" / "hand.parquet")
    assert found(lake)[0] == {"own"}
    assert found(lake, exclude=("*.sqlite",))[0] == {"own"}


@pytest.mark.parametrize("is_linked", [False, True])
def test_an_absolute_path_and_one_from_where_its_writer_worked_are_found(
    lake: Path, tmp_path: Path, is_linked: bool
) -> None:
    root = lake
    if is_linked:
        (tmp_path / "other").mkdir()
        root = tmp_path / "other" / "lake"
        root.symlink_to(lake)
    for place in (f"{lake}/hand.parquet", f"file://{lake}/hand.parquet", "lake/hand.parquet"):
        told(lake / "meta.ducklake", f"UPDATE ducklake_data_file SET path = '{place}' WHERE {HAND}")  # noqa: S608
        names, listed = found(lake, root)
        assert names == {"own"} and "hand.parquet" in listed, place

import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover, format_of, partition_of
from lakebed.connectors.lake.listing import Listing
from lakebed.connectors.lake.model import FileEntry


def names(*paths: str, **settings: object) -> dict[str, tuple[str, int]]:
    """Name → (format, number of files) of what is found."""
    found = discover(listing(*paths), LakeConfig(root="r", **settings))  # type: ignore[arg-type]
    assert not found.unreadable
    return {table.name: (table.format, len(table.files)) for table in found.tables}


def listing(*paths: str) -> Listing:
    entries = [FileEntry(path, 1, 1) for path in sorted(paths)]
    logs = tuple(entry for entry in entries if "_delta_log" in entry.path.split("/"))
    return Listing("r", tuple(entry for entry in entries if entry not in logs), logs)


def test_each_file_is_a_table_by_itself_and_other_files_are_none() -> None:
    assert names("a/x.parquet", "b.csv", "c.tsv.gz", "d.jsonl", "README.md", "e.PARQUET") == {
        "a/x": ("parquet", 1), "b": ("csv", 1), "c": ("csv", 1), "d": ("json", 1), "e": ("parquet", 1),
    }  # fmt: skip


def test_endings_stay_where_names_would_collide() -> None:
    assert set(names("a.csv", "a.parquet", "a.csv.gz", "b.csv")) == {"a.csv", "a.parquet", "a.csv.gz", "b"}
    assert set(names("a.csv", "a.json", "a.csv.parquet")) == {"a.csv", "a.json", "a.csv.parquet"}
    assert set(names("a/part-0.csv", "a.csv")) == {"a", "a.csv"}


def test_part_files_of_one_format_are_one_table() -> None:
    assert names("t/part-0.parquet", "t/part-1.parquet", "t/notes.csv") == {"t": ("parquet", 2), "t/notes": ("csv", 1)}
    assert names("t/part-0.parquet", "t/part-1.csv") == {"t.parquet": ("parquet", 1), "t.csv": ("csv", 1)}
    assert names("part-0.csv", "part-1.csv") == {".": ("csv", 2)}


def test_hive_partitions_are_one_table_at_any_depth() -> None:
    found = discover(listing("t/y=1/m=2/a.parquet", "t/y=1/m=3/b.parquet", "t/c.parquet"), LakeConfig(root="r"))
    assert {(table.name, table.partition_columns) for table in found.tables} == {("t", ("y", "m")), ("t/c", ())}


def test_partition_values_are_unescaped_and_null_is_null() -> None:
    path = "t/k%20e=a%2Fb/n=__HIVE_DEFAULT_PARTITION__/e=/x.parquet"
    assert partition_of(path, "t") == (("k e", "a/b"), ("n", None), ("e", ""))
    assert partition_of("k=1/x.csv", "") == (("k", "1"),)


def test_files_that_disagree_about_partitions_are_listed_as_unreadable() -> None:
    found = discover(listing("t/y=1/a.parquet", "t/z=1/b.parquet", "u/k=1/k=2/c.csv"), LakeConfig(root="r"))
    assert not found.tables
    assert [(bad.name, "partition" in bad.reason) for bad in found.unreadable] == [("t", True), ("u", True)]


def test_a_delta_log_makes_its_folder_a_table_with_all_below() -> None:
    paths = ["d/_delta_log/0.json", "d/part-0.parquet", "d/k=1/part-1.parquet", "d/in/_delta_log/0.json", "d/in/x.csv"]
    assert names(*paths) == {"d": ("delta", 3)}
    assert names("_delta_log/0.json", "x.parquet") == {".": ("delta", 1)}
    assert names("my_delta_log/d/_delta_log/0.json", "my_delta_log/y.csv") == {
        "my_delta_log/d": ("delta", 0), "my_delta_log/y": ("csv", 1),
    }  # fmt: skip


def test_globs_group_and_split() -> None:
    assert names("g/a.csv", "g/s/b.csv", "h/c.csv", group=("g",)) == {"g": ("csv", 2), "h/c": ("csv", 1)}
    assert names("g/part-0.csv", "g/part-1.csv", split=("g",)) == {"g/part-0": ("csv", 1), "g/part-1": ("csv", 1)}
    assert names("days/a/x.csv", "days/b/y.csv", group=("days/*",)) == {"days/a": ("csv", 1), "days/b": ("csv", 1)}


def test_odd_names() -> None:
    assert set(names("a b/c'd\".csv", "ü/x.y.z.parquet", ".csv/a.csv", "x=1.csv")) == {
        "a b/c'd\"", "ü/x.y.z", ".csv/a", "x=1",
    }  # fmt: skip
    assert format_of("dir/.csv") is None
    assert format_of("a.parquet.gz") is None


UUIDS = [f"{n:08x}-0000-4000-8000-000000000000" for n in (7, 3)]


@pytest.mark.parametrize(
    "parts",
    [
        ["part.0", "part.1"],
        ["00000000", "00000001"],
        ["data_0", "data_1"],
        ["20240102_030405_00001_abcde_bucket-00000", "20240102_030405_00001_abcde_bucket-00001"],
        [f"20240102_030405_00001_abcde_{uuid}" for uuid in UUIDS],
        UUIDS,
        [f"{uuid}-0" for uuid in UUIDS],
        ["5_000000_000000", "5_000001_000000"],
        ["export-000000000000", "export-000000000001"],
        ["data_0_0_0.snappy", "data_0_1_0.snappy"],
        ["run-1700000000000-part-r-00000.snappy", "run-1700000000999-part-r-00000.snappy"],
        ["venue_0000_part_00", "venue_0001_part_00"],
    ],
)
def test_parts_as_writers_call_them_are_one_table(parts: list[str]) -> None:
    assert names(*(f"t/{part}.parquet" for part in parts)) == {"t": ("parquet", 2)}


@pytest.mark.parametrize(
    "parts",
    [
        ["orders000000000000", "customers000000000000"],
        ["202401020304", "202401020305"],
        ["data_2024_01_02", "data_2024_01_03"],
        ["1_202401_000000", "1_202402_000000"],
        ["orders_0000_part_00", "customers_0000_part_00"],
        ["part.0", "part.2"],
    ],
)
def test_names_that_number_no_parts_are_tables(parts: list[str]) -> None:
    assert len(names(*(f"t/{part}.parquet" for part in parts))) == 2

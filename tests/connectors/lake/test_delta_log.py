import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, WriterProperties, write_deltalake

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.delta_log import DeltaFacts, read_delta
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import list_lake, table_of_log


def read(root: Path) -> DeltaFacts:
    listing = list_lake(LakeConfig(root=str(root)))
    (source,) = [table for table in discover(listing, LakeConfig(root=str(root))).tables if table.format == "delta"]
    return read_delta(
        listing.root, source, [entry for entry in listing.logs if table_of_log(entry.path) == source.path]
    )


def bounds(facts: DeltaFacts, token: str, file: int = 0) -> tuple[object, ...]:
    index = [leaf.token for leaf in facts.leaves].index(token)
    stats = facts.files[file].statistics
    ends = stats.min_lower[index], stats.min_upper[index], stats.max_lower[index], stats.max_upper[index]
    return (*ends, stats.tightness[index], stats.n_nulls[index])


def rewrite_stats(table: Path, engine: str, **values: dict[str, object]) -> None:
    """Makes the first commit of a table look as if another engine had written these statistics."""
    path = next((table / "_delta_log").glob("*.json"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            line["commitInfo"]["engineInfo"] = engine
        if "add" in line:
            stats = json.loads(line["add"]["stats"])
            for name, change in values.items():
                stats[name].update(change)
            line["add"]["stats"] = json.dumps(stats)
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")


def test_files_rows_nested_columns_and_bounds_come_from_the_log(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, None], "s": [{"x": 1.5}, None, {"x": None}], "a.b": [True, None, True]})
    write_deltalake(str(tmp_path / "d"), table)
    write_deltalake(str(tmp_path / "d"), table, mode="append")
    facts = read(tmp_path)
    assert (facts.version, facts.needs_spark, [file.n_rows for file in facts.files]) == (1, False, [3, 3])
    assert bounds(facts, '["a"]') == (1, 1, 2, 2, "tight", 1)
    assert bounds(facts, '["s","x"]') == (1.5, 1.5, 1.5, 1.5, "tight", 2)
    assert [leaf.token for leaf in facts.leaves] == ['["a"]', '["s","x"]', '["a.b"]']


def test_partition_values_with_odd_text_lead_to_the_files(tmp_path: Path) -> None:
    table = pa.table(
        {"p q": ["u/ü", "v v", None, "50%"], "d": pa.array([1, 2, None, 4], pa.date32()), "x": [1, 2, 3, 4]}
    )
    write_deltalake(str(tmp_path / "d"), table, partition_by=["p q", "d"])
    facts = read(tmp_path)
    assert set(facts.partition_types) == {'["p q"]', '["d"]'}
    assert {file.partition_values for file in facts.files} == {
        (('["p q"]', "u/ü"), ('["d"]', "1970-01-02")),
        (('["p q"]', "v v"), ('["d"]', "1970-01-03")),
        (('["p q"]', None), ('["d"]', None)),
        (('["p q"]', "50%"), ('["d"]', "1970-01-05")),
    }
    assert all((tmp_path / file.path).exists() for file in facts.files)


def test_timestamps_have_a_millisecond_of_slack(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "d"), pa.table({"t": pa.array([1_000_999, 5_000_001], pa.timestamp("us", "UTC"))}))
    low, low_end, high, high_end, tightness, _ = bounds(read(tmp_path), '["t"]')
    assert low <= 1_000_999_000 <= low_end  # type: ignore[operator]
    assert high <= 5_000_001_000 <= high_end  # type: ignore[operator]
    assert tightness == "cut"


def test_text_of_unknown_writers_may_be_incremented(tmp_path: Path) -> None:
    properties = WriterProperties(statistics_truncate_length=8)
    write_deltalake(str(tmp_path / "d"), pa.table({"s": ["abcdefghijk", "xyzxyzxyzxyz"]}), writer_properties=properties)
    low, low_end, high, high_end, tightness, _ = bounds(read(tmp_path), '["s"]')
    assert low <= b"abcdefghijk" <= low_end  # type: ignore[operator]
    assert high is None
    assert b"xyzxyzxyzxyz" <= high_end  # type: ignore[operator]
    assert tightness == "cut"


@pytest.mark.parametrize(
    ("stored", "floor", "roof"),
    [
        ("x" * 32 + "\x7f", b"x" * 32, b"x" * 32 + b"\x7f"),
        ("é\U0010ffff", "é".encode(), "é".encode() + b"\xff"),
        ("short", b"short", b"short"),
    ],
)
def test_text_of_spark_loses_its_tie_break(tmp_path: Path, stored: str, floor: bytes, roof: bytes) -> None:
    write_deltalake(str(tmp_path / "d"), pa.table({"s": ["a"]}))
    rewrite_stats(tmp_path / "d", "Apache-Spark/4.2.0 Delta-Lake/4.4.0", maxValues={"s": stored})
    assert bounds(read(tmp_path), '["s"]') == (b"a", b"a\xff", floor, roof, "cut", 0)


def test_missing_statistics_are_noticed(tmp_path: Path) -> None:
    wide = pa.table({f"c{index}": [1] for index in range(40)})
    write_deltalake(str(tmp_path / "d"), wide, configuration={"delta.dataSkippingNumIndexedCols": "2"})
    facts = read(tmp_path)
    assert bounds(facts, '["c1"]')[4] == "tight"
    assert bounds(facts, '["c39"]')[4] == "none"
    assert not facts.has_all_statistics


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_a_missing_commit_makes_the_table_unreadable(tmp_path: Path, lost: int) -> None:
    for _ in range(5):
        write_deltalake(str(tmp_path / "d"), pa.table({"a": [1]}), mode="append")
    (tmp_path / "d" / "_delta_log" / f"{lost:020d}.json").unlink()
    with pytest.raises(SourceError, match=f"{lost:020d}.json") as raised:
        read(tmp_path)
    assert raised.value.hint


def test_commits_before_a_checkpoint_may_be_gone(tmp_path: Path) -> None:
    for _ in range(3):
        write_deltalake(str(tmp_path / "d"), pa.table({"a": [1]}), mode="append")
    DeltaTable(str(tmp_path / "d")).create_checkpoint()
    write_deltalake(str(tmp_path / "d"), pa.table({"a": [5]}), mode="append")
    for version in range(2):
        (tmp_path / "d" / "_delta_log" / f"{version:020d}.json").unlink()
    facts = read(tmp_path)
    assert (facts.version, sum(file.n_rows for file in facts.files)) == (3, 4)


@pytest.mark.parametrize("damage", ["garbage", "empty", "no data file", "flip"])
def test_a_damaged_table_is_a_source_error(tmp_path: Path, damage: str) -> None:
    write_deltalake(str(tmp_path / "d"), pa.table({"a": [1]}))
    log = tmp_path / "d" / "_delta_log" / f"{0:020d}.json"
    if damage == "no data file":
        next((tmp_path / "d").glob("*.parquet")).unlink()
    elif damage == "flip":
        log.write_text(log.read_text().replace('"schemaString":"', '"schemaString":"}'))
    else:
        log.write_text("{not json\n" if damage == "garbage" else "")
    with pytest.raises(SourceError, match="cannot read the Delta table"):
        read(tmp_path)


def test_columns_added_later_and_tables_without_rows(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "d"), pa.table({"a": [1]}))
    write_deltalake(str(tmp_path / "d"), pa.table({"a": [2], "b": ["x"]}), mode="append", schema_mode="merge")
    assert [leaf.token for leaf in read(tmp_path).leaves] == ['["a"]', '["b"]']
    shutil.rmtree(tmp_path / "d")
    DeltaTable.create(str(tmp_path / "e"), pa.schema([pa.field("a", pa.int64())]))
    assert read(tmp_path).files == []

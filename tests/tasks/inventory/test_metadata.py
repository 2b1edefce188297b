from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import LakeConfig, TextConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import list_lake
from lakebed.connectors.lake.parquet import read_footers
from lakebed.tasks.inventory.kernel import describe_tables
from lakebed.tasks.inventory.metadata import LakeFacts, partition_token, read_metadata, reason_text, type_overrides


def facts_of(config: LakeConfig) -> LakeFacts:
    listing = list_lake(config)

    def read(entries: object) -> list[object]:
        return read_footers(listing.root, entries, ignore_case=config.ignore_column_case)  # type: ignore[arg-type, return-value]

    return read_metadata(listing, discover(listing, config), config, read)  # type: ignore[arg-type]


def test_what_the_log_lacks_comes_from_the_footers(tmp_path: Path) -> None:
    table = pa.table({f"c{index}": [index, index + 1] for index in range(40)})
    write_deltalake(str(tmp_path / "d"), table, configuration={"delta.dataSkippingNumIndexedCols": "2"})
    made = facts_of(LakeConfig(root=str(tmp_path))).tables["d"]
    columns = describe_tables([made]).columns
    assert [column["tightness"] for column in columns] == ["tight"] * 40
    assert (columns[39]["min_text"], columns[39]["max_text"]) == ("39", "40")


def test_a_column_added_later_is_null_in_older_files(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "d"), pa.table({"a": [1]}))
    write_deltalake(str(tmp_path / "d"), pa.table({"a": [2], "b": [7]}), mode="append", schema_mode="merge")
    columns = describe_tables([facts_of(LakeConfig(root=str(tmp_path))).tables["d"]]).columns
    assert (columns[1]["n_nulls"], columns[1]["min_text"], columns[1]["tightness"]) == (1, "7", "tight")


def test_one_damaged_file_names_itself_and_costs_its_table(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t" / "part-0.parquet")
    (tmp_path / "t" / "part-1.parquet").write_bytes(b"PAR1")
    facts = facts_of(LakeConfig(root=str(tmp_path)))
    assert not facts.tables
    assert (facts.unreadable[0].name, "part-1.parquet" in facts.unreadable[0].reason) == ("t", True)


def test_types_of_the_config_reach_partitions(tmp_path: Path) -> None:
    (tmp_path / "t" / "k=01").mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t" / "k=01" / "x.parquet")
    text = TextConfig(types={"t": {"k": "int64"}, "other": {"k": "date"}})
    config = LakeConfig(root=str(tmp_path), text=text)
    assert type_overrides("t", config) == {"k": "int64"}
    assert facts_of(config).tables["t"].partition_types == {'["k"]': pa.int64()}
    wrong = LakeConfig(root=str(tmp_path), text=TextConfig(types={"t": {"k": "date"}}))
    assert "date" in facts_of(wrong).unreadable[0].reason


def test_case_and_reasons() -> None:
    assert partition_token("Ab", LakeConfig(root="r", ignore_column_case=True)) == '["ab"]'
    assert reason_text(SourceError("two\nlines", value=" and\tmore")) == "two lines: and more"

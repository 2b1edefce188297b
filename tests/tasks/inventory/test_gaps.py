from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.lake.config import LakeConfig, TextConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import list_lake
from lakebed.connectors.lake.parquet import read_footers
from lakebed.connectors.lake.statistics import FileFacts
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.gaps import apply_bounds, choose_gaps, plan_missing, table_gaps
from lakebed.tasks.inventory.kernel import TableFacts
from lakebed.tasks.inventory.metadata import read_metadata
from lakebed.tasks.inventory.worker import BoundsUnit, Outcome, WorkContext, do_unit


def tables_of(root: Path) -> list[TableFacts]:
    config = LakeConfig(root=str(root))
    listing = list_lake(config)
    facts = read_metadata(
        listing, discover(listing, config), config, lambda entries: read_footers(listing.root, entries)
    )
    assert not facts.unreadable
    return list(facts.tables.values())


def planned_of(tables: list[TableFacts], config: InventoryConfig) -> list[tuple[TableFacts, FileFacts, BoundsUnit]]:
    return plan_missing(tables, choose_gaps(table_gaps(tables), config))


def outcome(root: Path, unit: BoundsUnit) -> Outcome:
    return do_unit(WorkContext(str(root), TextConfig(), False), unit)


def test_only_columns_whose_bounds_data_can_tell_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": [3, 1, None],
            "long": ["a" * 5000, "b" * 5000, None],
            "nan": [float("nan"), None, None],
            "null": pa.nulls(3, pa.int64()),
            "list": [[1], [2], None],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "empty.parquet")
    planned = planned_of(tables_of(tmp_path), InventoryConfig())
    assert [unit.tokens for _, _, unit in planned] == [('["long"]',)]


def test_bounds_read_from_data_are_those_of_the_values(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": [3, None, 1],
            "f": [float("nan"), -2.5, None],
            "s": ["b", "ü", None],
            "n": pa.nulls(3, pa.int8()),
            "unread": [[1], [2], [3]],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", write_statistics=False, row_group_size=1)
    ((_, file, unit),) = planned_of(tables_of(tmp_path), InventoryConfig())
    result = outcome(tmp_path, unit)
    assert result.n_bytes == unit.n_bytes > 0
    apply_bounds(file, result)
    stats = file.statistics
    assert stats.min_lower == stats.min_upper == [1, -2.5, b"b", None, None]
    assert stats.max_lower == stats.max_upper == [3, -2.5, "ü".encode(), None, None]
    assert stats.tightness == ["tight", "tight", "tight", "none", "none"]
    assert stats.n_nulls[:4] == [1, 1, 1, 3]


def test_the_budget_takes_the_smallest_columns_and_all_files_of_one(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for part in range(2):
        table = pa.table({"big": [str(n) * 50 for n in range(20_000)], "small": [1] * 20_000})
        pq.write_table(table, tmp_path / "t" / f"part-{part}.parquet", write_statistics=False)
    tables = tables_of(tmp_path)
    tight_budget = InventoryConfig(statistics_mib=0, statistics_share=0.05)
    assert [unit.tokens for _, _, unit in planned_of(tables, tight_budget)] == [('["small"]',)] * 2
    assert not planned_of(tables, InventoryConfig(statistics_mib=0, statistics_share=0.0))


def test_a_damaged_page_is_an_error_of_its_table(tmp_path: Path) -> None:
    table = pa.table({"i": list(range(1000))})
    pq.write_table(table, tmp_path / "t.parquet", write_statistics=False, write_page_checksum=True, compression="zstd")
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[60] ^= 0xFF
    (tmp_path / "t.parquet").write_bytes(data)
    ((_, _, unit),) = planned_of(tables_of(tmp_path), InventoryConfig())
    assert outcome(tmp_path, unit).error is not None

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake import parquet_output
from lakebed.connectors.lake.footer import parquet_traits, write_parquet
from lakebed.connectors.lake.parquet_output import ParquetOutput
from lakebed.connectors.lake.write import parquet_bytes

TABLE = pa.table(
    {
        "id": pa.array(range(1_000), pa.int32()),
        "at": pa.array(range(1_000), pa.timestamp("ms")),
        "name": [f"n{row % 7}" if row % 5 else None for row in range(1_000)],
        "in": [{"x": [row, None]} for row in range(1_000)],
    }
).replace_schema_metadata({"key": "value"})


@pytest.mark.parametrize("group_rows", [90, 1_000, 5_000])
def test_batches_become_one_file_under_the_footer_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int
) -> None:
    monkeypatch.setattr(parquet_output, "GROUP_ROWS", group_rows)
    pq.write_table(TABLE, tmp_path / "old.parquet", version="1.0", store_schema=False)
    traits = parquet_traits(pa.OSFile(str(tmp_path / "old.parquet")))
    rows = TABLE.cast(traits.arrow_schema)
    with open(tmp_path / "new.parquet", "wb") as sink:
        output = ParquetOutput(sink, rows.schema, traits)
        for start in range(0, 1_000, 70):
            output.add(rows.slice(start, 70))
        output.close()
    assert parquet_traits(pa.OSFile(str(tmp_path / "new.parquet"))) == traits
    assert pq.read_table(tmp_path / "new.parquet").equals(pq.read_table(tmp_path / "old.parquet"), check_metadata=True)
    assert pq.read_metadata(tmp_path / "new.parquet").num_row_groups == max(1, 1_000 // (-(-group_rows // 70) * 70) + 1)
    assert pq.read_table(pa.BufferReader(write_parquet(rows, traits))).equals(rows)


def test_without_traits_a_file_gets_those_of_arrow(tmp_path: Path) -> None:
    with open(tmp_path / "new.parquet", "wb") as sink:
        output = ParquetOutput(sink, TABLE.schema, None)
        output.add(TABLE)
        output.close()
    whole = pq.read_table(pa.BufferReader(parquet_bytes(TABLE)))
    assert pq.read_table(tmp_path / "new.parquet").equals(whole, check_metadata=True)


def test_what_is_abandoned_is_closed_without_its_end(tmp_path: Path) -> None:
    with open(tmp_path / "new.parquet", "wb") as sink:
        output = ParquetOutput(sink, TABLE.schema, None)
        output.add(TABLE)
        output.abandon()
        assert sink.closed
    with pytest.raises(pa.ArrowInvalid):
        pq.read_metadata(tmp_path / "new.parquet")


def test_a_stream_is_closed_where_its_columns_cannot_be_written(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "old.parquet")
    traits = parquet_traits(pa.OSFile(str(tmp_path / "old.parquet")))
    with open(tmp_path / "new.parquet", "wb") as sink:
        with pytest.raises(PlanError, match="as it was"):
            ParquetOutput(sink, TABLE.select(["name"]).schema, traits)
        assert sink.closed

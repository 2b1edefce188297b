"""Timestamps of 96 bits, as Spark and Impala write them."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.leaves import schema_leaves
from lakebed.connectors.lake.read import read_split

FAR = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None, dt.datetime(2024, 1, 2)]


def read(folder: Path, table: pa.Table, groups: tuple[int, ...] | None = None) -> dict[str, pa.Array]:
    pq.write_table(table, folder / "t.parquet", use_deprecated_int96_timestamps=True, row_group_size=2)
    size = (folder / "t.parquet").stat().st_size
    tokens = [leaf.token for leaf in schema_leaves(pq.read_schema(folder / "t.parquet"))]
    split = Split(0, 0, "t.parquet", "parquet", groups, (), (), 0, size)
    batches = list(read_split(str(folder), split, tokens, ReadCounter()))
    return {token: pa.chunked_array([batch[token].values for batch in batches]) for token in tokens}


@pytest.mark.parametrize("groups", [None, (0,), (1,), (0, 1)])
def test_far_dates_are_exact_to_the_microsecond(tmp_path: Path, groups: tuple[int, ...] | None) -> None:
    table = pa.table({"t": pa.array(FAR, pa.timestamp("us")), "n": [1, 2, 3, 4]})
    rows = [row for group in groups or (0, 1) for row in FAR[2 * group : 2 * group + 2]]
    found = read(tmp_path, table, groups)
    assert found['["t"]'].cast(pa.timestamp("us")).to_pylist() == rows


def test_nanoseconds_stay_where_all_fit(tmp_path: Path) -> None:
    ticks = pa.array([1, -(2**62), None, 10**18 + 1], pa.timestamp("ns"))
    found = read(tmp_path, pa.table({"t": ticks}))['["t"]']
    assert found.cast(pa.int64()).to_pylist() == ticks.cast(pa.int64()).to_pylist()


def test_inside_of_structs_lists_and_maps(tmp_path: Path) -> None:
    stamp = pa.timestamp("us")
    table = pa.table({
        "s": pa.array([{"t": time} for time in FAR], pa.struct([("t", stamp)])),
        "l": pa.array([[time] for time in FAR], pa.list_(stamp)),
        "m": pa.array([[("k", time)] for time in FAR], pa.map_(pa.string(), stamp)),
    })  # fmt: skip
    found = read(tmp_path, table)
    assert found['["s","t"]'].to_pylist() == FAR
    assert found['["l"]'].to_pylist() == [[time] for time in FAR]
    assert found['["m"]'].to_pylist() == [[("k", time)] for time in FAR]


def test_what_neither_unit_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    far, fine = pa.array([FAR[1]], pa.timestamp("us")), pa.array([10**18 + 1], pa.timestamp("ns"))
    with pq.ParquetWriter(path, pa.schema([("t", far.type)]), use_deprecated_int96_timestamps=True) as writer:
        writer.write_table(pa.table({"t": far}))
    pq.write_table(pa.table({"t": fine}), tmp_path / "fine.parquet", use_deprecated_int96_timestamps=True)
    # nanoseconds of the far day: the last twelve bytes of the one value
    data = path.read_bytes()
    (known,) = fine.cast(pa.int64()).to_pylist()
    nanoseconds = ((known % 86_400_000_000_000) + 0).to_bytes(8, "little")
    far_value = (86_399_999_999_000).to_bytes(8, "little")
    assert data.count(far_value) >= 1
    path.write_bytes(data.replace(far_value, nanoseconds))
    split = Split(0, 0, "t.parquet", "parquet", None, (), (), 1, len(data))
    with pytest.raises(SourceError, match="neither microseconds nor nanoseconds"):
        list(read_split(str(tmp_path), split, ['["t"]'], ReadCounter()))

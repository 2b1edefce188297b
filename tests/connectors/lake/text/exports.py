"""A table of 21 kinds of columns, and how pandas, Polars, DuckDB and Spark write it as CSV and JSON.

`tests/fixtures/exports/` holds what the writers made of `table()`: `python -m tests.connectors.lake.text.exports FOLDER
WRITER` in an environment that has the writer (Polars 2.1.0, DuckDB 2.0.0, pandas 2.3.3, Spark 4.2).
"""

import datetime as dt
import glob
import shutil
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

WRITERS = ("pandas", "polars", "duckdb", "spark")
_UTC = dt.UTC
_DAYS = [dt.date(2024, 1, 2), dt.date(1999, 12, 31), dt.date(2024, 2, 29), dt.date(1970, 1, 1)]
_TIMES = [
    dt.datetime(2024, 1, 2, 3, 4, 5),
    dt.datetime(1999, 12, 31, 23, 59, 59),
    dt.datetime(2024, 2, 29, 12, 30),
    dt.datetime(1970, 1, 1),
]
_FINE = [time.replace(microsecond=micros) for time, micros in zip(_TIMES, (123456, 1, 999999, 500000), strict=True)]

KINDS: dict[str, pa.Array] = {
    "bool": pa.array([True, False, False, True]),
    "bool_null": pa.array([True, None, False, True]),
    "int8": pa.array([-128, 0, 1, 127], pa.int8()),
    "int32": pa.array([-(2**31), 0, 17, 2**31 - 1], pa.int32()),
    "int64": pa.array([-(2**63), 0, 2**53 + 1, 2**63 - 1], pa.int64()),
    "int_null": pa.array([5, None, -3, 0], pa.int32()),
    "uint8": pa.array([0, 1, 200, 255], pa.uint8()),
    "float64": pa.array([0.1, -2.5, 1 / 3, 123456.789]),
    "float_whole": pa.array([1.0, 2.0, -3.0, 100.0]),
    "float_mixed": pa.array([1.0, 2.25, -0.5, 1024.0]),
    "float_small": pa.array([1e-7, 2.5, -3.25e-10, 1.0]),
    "float_large": pa.array([1e22, 2.5, -1.5e300, 1.0]),
    "float_null": pa.array([1.5, None, 2.0, -0.25]),
    "money": pa.array([Decimal("1.50"), Decimal("2.25"), Decimal("-10.00"), Decimal("0.05")], pa.decimal128(10, 2)),
    "decimal4": pa.array([Decimal(text) for text in ("1.5000", "0.0001", "-7.2500", "99.9999")], pa.decimal128(18, 4)),
    "date": pa.array(_DAYS),
    "date_null": pa.array([_DAYS[0], None, *_DAYS[2:]]),
    "stamp": pa.array(_TIMES, pa.timestamp("us")),
    "stamp_us": pa.array(_FINE, pa.timestamp("us")),
    "text": pa.array(["plain", 'a "quoted", one', "über", "two words"]),
    "code": pa.array(["00501", "10001", "02134", "99999"]),
}  # fmt: skip


def table() -> pa.Table:
    """The table, its columns called as their kinds."""
    return pa.table(KINDS)


def write(folder: Path, writer: str) -> None:
    """Writes the table as `WRITER.csv` and `WRITER.jsonl`."""
    _WRITERS[writer](table(), folder / f"{writer}.csv", folder / f"{writer}.jsonl")


def _pandas(data: pa.Table, csv: Path, json: Path) -> None:
    import pandas as pd

    frame = data.to_pandas(types_mapper=pd.ArrowDtype)
    frame.to_csv(csv, index=False)
    frame.to_json(json, orient="records", lines=True, date_format="iso", date_unit="us", double_precision=15)


def _polars(data: pa.Table, csv: Path, json: Path) -> None:
    import polars as pl

    frame = pl.from_arrow(data)
    frame.write_csv(csv)
    frame.write_ndjson(json)


def _duckdb(data: pa.Table, csv: Path, json: Path) -> None:
    import duckdb

    duckdb.sql("SELECT * FROM data").write_csv(str(csv))
    duckdb.sql(f"COPY data TO '{json}' (FORMAT json)")


def _spark(data: pa.Table, csv: Path, json: Path) -> None:
    from pyspark.sql import SparkSession

    options = {"spark.sql.session.timeZone": "UTC", "spark.sql.timestampType": "TIMESTAMP_NTZ"}
    builder = SparkSession.builder.master("local[1]")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    # Spark has no unsigned integers
    place = data.column_names.index("uint8")
    frame = session.createDataFrame(data.set_column(place, "uint8", data["uint8"].cast(pa.int16()))).coalesce(1)
    for path, kind in ((csv, "csv"), (json, "json")):
        out = path.with_suffix(".folder")
        writer = frame.write.mode("overwrite")
        (writer.csv(str(out), header=True) if kind == "csv" else writer.json(str(out)))
        shutil.move(glob.glob(f"{out}/part-*")[0], path)
        shutil.rmtree(out)
    session.stop()


_WRITERS = {"pandas": _pandas, "polars": _polars, "duckdb": _duckdb, "spark": _spark}

if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])

"""What is known of the statistics of each writer."""

import pyarrow as pa
import pytest

from lakebed.connectors.lake.writers import FULL, Trust, Writer, writer_of

NONE, NO_BOUNDS, NO_NULLS = Trust(False, False), Trust(bounds=False), Trust(nulls=False)


@pytest.mark.parametrize(
    ("created_by", "writer"),
    [
        ("parquet-mr version 1.8.2 (build c6522788629e590a53eb79874b95f6c3ff11f16c)", Writer("parquet-mr", (1, 8, 2))),
        ("parquet-mr version 1.12.3-SNAPSHOT (build x)", Writer("parquet-mr", (1, 12, 3))),
        ("parquet-cpp-arrow version 10.0.1", Writer("parquet-cpp-arrow", (10, 0, 1))),
        ("DuckDB", Writer("duckdb")),
        ("DuckDB version v1.1.3 (build 19864453f7)", Writer("duckdb", (1, 1, 3))),
        ("Polars", Writer("polars")),
        ("Arrow2 - Native Rust implementation of Arrow", Writer("arrow2")),
        ("impala version 2.9.0-SNAPSHOT (build x)", Writer("impala", (2, 9, 0))),
        ("", Writer("")),
    ],
)
def test_a_writer_and_its_version(created_by: str, writer: Writer) -> None:
    assert writer_of(created_by) == writer


@pytest.mark.parametrize(
    ("writer", "type_", "physical", "is_dictionary", "trust"),
    [
        (Writer("parquet-mr", (1, 8, 2)), pa.decimal128(13, 2), "FIXED_LEN_BYTE_ARRAY", False, NO_BOUNDS),
        (Writer("parquet-mr", (1, 8, 2)), pa.decimal128(9, 2), "INT32", False, FULL),
        (Writer("parquet-mr", (1, 9)), pa.string(), "BYTE_ARRAY", False, NO_BOUNDS),
        (Writer("parquet-mr", (1, 9)), pa.uint32(), "INT32", False, NO_BOUNDS),
        (Writer("parquet-mr", (1, 9)), pa.int32(), "INT32", False, FULL),
        (Writer("parquet-mr", (1, 10)), pa.string(), "BYTE_ARRAY", True, FULL),
        (Writer("parquet-cpp-arrow", (10, 0, 1)), pa.string(), "BYTE_ARRAY", True, NO_BOUNDS),
        (Writer("parquet-cpp-arrow", (10, 0, 1)), pa.string(), "BYTE_ARRAY", False, FULL),
        (Writer("parquet-cpp-arrow", (4, 0, 1)), pa.string(), "BYTE_ARRAY", True, NONE),
        (Writer("parquet-cpp-arrow", (4, 0, 1)), pa.int64(), "INT64", True, FULL),
        (Writer("parquet-cpp-arrow", (11,)), pa.string(), "BYTE_ARRAY", True, FULL),
        (Writer("arrow2"), pa.string(), "BYTE_ARRAY", False, NONE),
        (Writer("fastparquet-python", (2023, 1)), pa.string(), "BYTE_ARRAY", False, NO_BOUNDS),
        (Writer("somebody's", (1,)), pa.float64(), "DOUBLE", False, FULL),
    ],
)  # fmt: skip
def test_what_a_writer_is_trusted_with(
    writer: Writer, type_: pa.DataType, physical: str, is_dictionary: bool, trust: Trust
) -> None:
    assert writer.trust(type_, physical, may_be_dictionary=is_dictionary) == trust
    assert not (writer.is_sound and trust != FULL)

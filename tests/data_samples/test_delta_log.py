"""Hand-written Delta logs: what delta-rs and Spark read in them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakebed.connectors.spark.config import SparkConfig
from lakebed.data_samples.delta_log import SparkLikeDelta, inline_deletion_vector, z85
from lakebed.data_samples.truth import Truth
from tests.oracle.independent_reader import read_any


def test_z85_is_that_of_the_rfc() -> None:
    assert z85(bytes.fromhex("864FD26FB559F75B")) == "HelloWorld"


def test_bitmap_is_that_of_the_protocol() -> None:
    # PROTOCOL.md's example of an inline vector: rows 3, 4, 7, 11, 18, 29; its head is the older, native form
    example = "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"
    descriptor = inline_deletion_vector([3, 4, 7, 11, 18, 29])
    assert str(descriptor["pathOrInlineDv"])[-35:] == example[-35:]
    assert (descriptor["cardinality"], descriptor["sizeInBytes"]) == (6, 44)


def test_string_bounds_are_cut_with_a_tie_break(tmp_path: Path) -> None:
    data = pa.table({"url": ["a" * 40, "b" * 40], "name": ["ä" * 33, "z"]})
    stats = _statistics(tmp_path, data)
    assert stats["minValues"] == {"url": "a" * 32, "name": "z"}
    assert stats["maxValues"] == {"url": "b" * 32 + "\x7f", "name": "ä" * 32 + "\U0010ffff"}


def test_instants_are_cut_to_milliseconds(tmp_path: Path) -> None:
    at = pa.array([1_001, 1_999_999], pa.timestamp("us", "UTC"))
    stats = _statistics(tmp_path, pa.table({"at": at}))
    assert stats["minValues"] == {"at": "1970-01-01T00:00:00.001Z"}
    assert stats["maxValues"] == {"at": "1970-01-01T00:00:01.999Z"}


def test_deleted_rows_stay_in_the_bounds_only(tmp_path: Path) -> None:
    data, deleted = pa.table({"n": [5, 6]}), pa.table({"n": [1, 9]})
    SparkLikeDelta(deleted=deleted).write(tmp_path, "t", data)
    stats = _add(tmp_path / "t")["stats"]
    assert (stats["minValues"], stats["maxValues"], stats["tightBounds"]) == ({"n": 1}, {"n": 9}, False)
    assert read_any(tmp_path, "t", "delta")["n"].to_pylist() == [5, 6]


@pytest.mark.spark
def test_spark_reads_the_hand_written_tables(sample_lake: tuple[Path, Truth]) -> None:
    from lakebed.connectors.spark.session import shared_session

    root, truth = sample_lake
    session = shared_session(SparkConfig()).get()
    n_rows = {table.name: table.n_rows for table in truth.tables}
    for name in ("web/pages", "events/clicks", "billing/invoices"):
        frame = session.read.format("delta").load(str(root / name))
        assert frame.count() == n_rows[name]
    numbers = {row.invoice_no for row in frame.select("invoice_no").collect()}
    assert numbers == {number for number in range(1, 1_000) if number % 10 != 1}


def _statistics(root: Path, data: pa.Table) -> dict[str, Any]:
    SparkLikeDelta().write(root, "t", data)
    stats: dict[str, Any] = _add(root / "t")["stats"]
    return stats


def _add(table: Path) -> dict[str, Any]:
    lines = (table / "_delta_log" / f"{0:020d}.json").read_text().splitlines()
    add: dict[str, Any] = json.loads(lines[-1])["add"]
    return {**add, "stats": json.loads(add["stats"])}

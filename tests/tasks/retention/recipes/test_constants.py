from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from lakebed.tasks.retention.recipes.constants import constant_of, scalar_of


@pytest.mark.parametrize(
    "value",
    [
        pa.scalar(True),
        pa.scalar(-(2**63)),
        pa.scalar(2**64 - 1, pa.uint64()),
        pa.scalar(0.1),
        pa.scalar(0.1, pa.float32()),
        pa.scalar(float("-inf")),
        pa.scalar(5e-324),
        pa.scalar(Decimal("-1.50"), pa.decimal128(38, 2)),
        pa.scalar(Decimal("0.00000001"), pa.decimal256(60, 8)),
        pa.scalar("it's\n\u0001"),
        pa.scalar("x", pa.large_string()),
        pa.scalar(b"\xff\x00"),
        pa.scalar(date(1, 1, 1)),
        pa.scalar(date(9999, 12, 31), pa.date64()),
        pa.scalar(datetime(1969, 12, 31, 23, 59, 59, 999999), pa.timestamp("us")),
        pa.scalar(1_700_000_000_000_000_001, pa.timestamp("ns", "Europe/Berlin")),
    ],
)
def test_constants_are_exact(value: pa.Scalar) -> None:
    again = scalar_of(constant_of(value))
    assert again.type == value.type
    assert again.equals(value)

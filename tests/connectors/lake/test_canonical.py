import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from lakebed.connectors.lake.canonical import canonical_values, has_order, min_max_of

CASES = [
    (pa.array([3, None, 1]), [3, None, 1], (1, 3)),
    (pa.array([1.5, float("nan"), None, -2.0]), [1.5, None, None, -2.0], (-2.0, 1.5)),
    (pa.array([float("nan")]), [None], (None, None)),
    (pa.array([None], pa.string()), [None], (None, None)),
    (pa.array(["b", "a", "ü"]), [b"b", b"a", "ü".encode()], (b"a", "ü".encode())),
    (pa.array(["x"], pa.string_view()), [b"x"], (b"x", b"x")),
    (pa.array([b"ab", b"\xffa"], pa.binary(2)), [b"ab", b"\xffa"], (b"ab", b"\xffa")),
    (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1], (2**64 - 1, 2**64 - 1)),
    (pa.array([True, False]), [True, False], (False, True)),
    (pa.array([Decimal("1.10")], pa.decimal256(60, 3)), [Decimal("1.100")], (Decimal("1.1"), Decimal("1.1"))),
    (pa.array([dt.date(1970, 1, 3)]), [2], (2, 2)),
    (pa.array([86_400_000 * 2 + 5], pa.date64()), [2], (2, 2)),
    (pa.array([5], pa.timestamp("ns", "Europe/Berlin")), [5], (5, 5)),
    (pa.array([2**40], pa.timestamp("s")), [2**40 * 10**9], (2**40 * 10**9, 2**40 * 10**9)),
    (pa.array([7, 1], pa.time64("ns")), [7, 1], (1, 7)),
    (pa.array([7, None], pa.time32("ms")), [7_000_000, None], (7_000_000, 7_000_000)),
    (pa.array([7], pa.duration("us")), [7_000], (7_000, 7_000)),
    (pa.array([1.5], pa.float16()), [1.5], (1.5, 1.5)),
]


@pytest.mark.parametrize(("values", "plain", "ends"), CASES, ids=[str(case[0].type) for case in CASES])
def test_plain_values_keep_every_digit(values: pa.Array, plain: list[object], ends: tuple[object, object]) -> None:
    assert has_order(values.type)
    assert canonical_values(values) == plain
    assert min_max_of(values) == ends


@pytest.mark.parametrize("kind", [pa.list_(pa.int8()), pa.null(), pa.struct([]), pa.month_day_nano_interval()])
def test_what_has_no_order_says_so(kind: pa.DataType) -> None:
    assert not has_order(kind)

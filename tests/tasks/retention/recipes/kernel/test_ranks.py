from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from lakebed.tasks.retention.recipes.kernel.ranks import NULL, UNUSABLE, can_rank, rank_column

ZONED = pa.timestamp("us", "Europe/Berlin")


@pytest.mark.parametrize(
    ("values", "ranks"),
    [
        (pa.array([5, None, -3, 5]), [1, NULL, 0, 1]),
        (pa.array([0.0, -0.0, float("nan"), float("-inf"), None]), [1, 1, UNUSABLE, 0, NULL]),
        (pa.array(["b", "é", "a", "", None]), [2, 3, 1, 0, NULL]),
        (pa.array([b"\xff", b"", b"a"]), [2, 0, 1]),
        (pa.array([True, False, None]), [1, 0, NULL]),
        (pa.array([Decimal("1.10"), Decimal("-2.00"), Decimal("1.10")]), [1, 0, 1]),
        (pa.array([date(2024, 2, 1), date(1969, 1, 1)]), [1, 0]),
        (pa.array([datetime(2024, 2, 1, tzinfo=UTC), None, datetime(1969, 1, 1, tzinfo=UTC)], ZONED), [1, NULL, 0]),
        (pa.array([1, 2**64 - 1], pa.uint64()), [0, 1]),
        (pa.array([None, None], pa.int32()), [NULL, NULL]),
        (pa.array([], pa.string()), []),
    ],
)
def test_ranks_follow_the_order_of_values(values: pa.Array, ranks: list[int]) -> None:
    assert can_rank(values.type)
    column = rank_column("x", values)
    assert column.ranks.tolist() == ranks
    known = [rank for rank in ranks if rank >= 0]
    assert len(column.values) == len(set(known))
    plain = [value for value, rank in zip(values.to_pylist(), ranks, strict=True) if rank >= 0]
    assert column.values.take(pa.array(known, pa.int64())).to_pylist() == plain


@pytest.mark.parametrize("type_", [pa.list_(pa.int8()), pa.float16(), pa.time32("s"), pa.null(), pa.duration("s")])
def test_types_without_conditions_are_known(type_: pa.DataType) -> None:
    assert not can_rank(type_)

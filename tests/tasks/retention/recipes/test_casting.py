from decimal import Decimal

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.tasks.retention.recipes.casting import cast_exactly, cast_where_same

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "type_", "same"),
    [
        (pa.array([1, 300, None]), pa.int8(), [True, False, True]),
        (pa.array([1.0, 1.5, 1e300, None, NAN]), pa.int64(), [True, False, False, True, False]),
        (pa.array([2**53 + 1, 1, None]), pa.float64(), [False, True, True]),
        (pa.array([0.1, 0.5, NAN, None]), pa.float32(), [False, True, True, True]),
        (pa.array([Decimal("1.00"), Decimal("1.50"), None]), pa.int64(), [True, False, True]),
        (pa.array([1_000_001, 2_000_000], pa.timestamp("us")), pa.timestamp("ms"), [False, True]),
        (pa.array(["a", None]), pa.int64(), [False, True]),
        (pa.array([[1], None], pa.list_(pa.int64())), pa.list_(pa.string()), None),
        (pa.array([[300], None], pa.list_(pa.int64())), pa.list_(pa.int8()), [False, True]),
    ],
)
def test_only_cells_that_stay_the_same_count(values: pa.Array, type_: pa.DataType, same: list[bool] | None) -> None:
    cast, is_same = cast_where_same(values, type_)
    assert cast.type == type_ and len(cast) == len(values)
    assert (None if is_same is None else is_same.tolist()) == same


def test_a_value_that_does_not_survive_is_named() -> None:
    with pytest.raises(SourceError, match="none of the child's type") as caught:
        cast_exactly(pa.array([1, 300]), pa.int8())
    assert "300" in str(caught.value)

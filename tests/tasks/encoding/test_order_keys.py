from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.canonical import canonical_values
from lakebed.tasks.encoding.order_keys import CUT_BYTES, order_key, order_keys
from lakebed.tasks.encoding.types import type_class

NUMBERS = st.one_of(
    st.integers(-(2**64), 2**64),
    st.integers(2**53 - 3, 2**53 + 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
    st.sampled_from([0, -0.0, 0.1, Decimal("0.1"), 2.0**53, 2**53 + 1, Decimal("9007199254740992.5")]),
)


def keys_of(values: pa.Array) -> list[bytes | None]:
    return order_keys(canonical_values(values), type_class(values.type))


@given(st.lists(NUMBERS, min_size=2, max_size=8))
def test_keys_of_numbers_never_contradict_their_order(values: list[int | float | Decimal]) -> None:
    keys = order_keys(values, "number")
    assert keys == [order_key(value, "number") for value in values]
    for (one, key), (other, other_key) in pairwise(sorted(zip(map(Fraction, values), keys, strict=True))):
        assert key is not None
        assert other_key is not None
        assert key == other_key if one == other else key <= other_key


@given(st.integers(-(2**80), 2**80), st.integers(-(2**80), 2**80))
def test_integers_are_told_apart(one: int, other: int) -> None:
    assert (order_key(one, "number") == order_key(other, "number")) == (one == other)


def test_infinities_are_the_ends_and_nan_and_null_have_no_key() -> None:
    keys = order_keys([float("-inf"), -1e308, 0, 2**1000, float("inf")], "number")
    assert keys == sorted(keys)  # type: ignore[type-var]
    assert order_keys([float("nan"), None], "number") == [None, None]
    assert order_key("x", "nested") is None


@given(st.lists(st.text(max_size=CUT_BYTES + 20), min_size=2, max_size=5))
def test_text_lies_between_its_keys(values: list[str]) -> None:
    for value in values:
        data = value.encode()
        low, high = order_key(value, "string"), order_key(value, "string", is_upper=True)
        assert low is not None
        assert high is not None
        assert low <= data <= high
        assert len(low) <= CUT_BYTES


def test_a_cut_binary_has_no_upper_key() -> None:
    assert order_key(b"\xff" * (CUT_BYTES + 1), "binary", is_upper=True) is None
    assert order_key(b"\xff" * (CUT_BYTES + 1), "binary") == b"\xff" * CUT_BYTES


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2], pa.timestamp("ns", "UTC")),
        pa.array([-1, 0, 2**40], pa.timestamp("s")),
        pa.array([-5, 7], pa.date32()),
        pa.array([False, True]),
        pa.array(["a", "b"]),
        pa.array([Decimal("-1.5"), Decimal("1.25")]),
    ],
    ids=lambda values: str(values.type),
)
def test_keys_of_arrays_rise_with_the_values(values: pa.Array) -> None:
    keys = keys_of(values)
    assert keys == sorted(set(keys))  # type: ignore[type-var]


def test_timestamps_of_all_units_meet() -> None:
    second, micro = pa.array([3], pa.timestamp("s")), pa.array([3_000_000], pa.timestamp("us", "UTC"))
    assert keys_of(second) == keys_of(micro)

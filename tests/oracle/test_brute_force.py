"""The rules of equality, one case each."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.oracle.brute_force import Leaves, contained_pairs, is_contained

_STRUCT = pa.struct([("b", pa.struct([("c", pa.int64())]))])
_MAP = pa.map_(pa.string(), pa.int64())
_MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


def _one(value: object, kind: pa.DataType) -> Leaves:
    return Leaves(pa.table({"a": pa.array([value], kind)}))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ((1, pa.int32()), (1.0, pa.float64())),
        ((2**53, pa.int64()), (float(2**53), pa.float64())),
        ((Decimal("0.50"), pa.decimal128(5, 2)), (0.5, pa.float32())),
        ((float("nan"), pa.float64()), (float("nan"), pa.float32())),
        ((-0.0, pa.float64()), (0, pa.int8())),
        ((_MOMENT, pa.timestamp("ms", "UTC")), (_MOMENT, pa.timestamp("ns", "Europe/Berlin"))),
        ((_MOMENT, pa.timestamp("us", "UTC")), (_MOMENT.replace(tzinfo=None), pa.timestamp("us"))),
        (([("k", 1), ("l", 2)], _MAP), ([("l", 2), ("k", 1)], _MAP)),
        (([1], pa.list_(pa.int64())), ([1.0], pa.list_(pa.float64()))),
    ],
)
def test_equal_cells(ours: tuple[object, pa.DataType], theirs: tuple[object, pa.DataType]) -> None:
    assert contained_pairs({"ours": _one(*ours), "theirs": _one(*theirs)}, "bag") == {
        ("ours", "theirs"),
        ("theirs", "ours"),
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ((2**53 + 1, pa.int64()), (float(2**53), pa.float64())),
        ((Decimal("0.1"), pa.decimal128(5, 1)), (0.1, pa.float64())),
        ((1, pa.int64()), (True, pa.bool_())),
        ((1, pa.int64()), ("1", pa.string())),
        (("1", pa.string()), (b"1", pa.binary())),
        ((_MOMENT.date(), pa.date32()), (_MOMENT, pa.timestamp("us", "UTC"))),
        (([1, 2], pa.list_(pa.int64())), ([2, 1], pa.list_(pa.int64()))),
    ],
)
def test_different_cells(ours: tuple[object, pa.DataType], theirs: tuple[object, pa.DataType]) -> None:
    assert contained_pairs({"ours": _one(*ours), "theirs": _one(*theirs)}, "set") == set()


def test_null_struct_is_no_struct_of_nulls() -> None:
    cells = [None, {"b": None}, {"b": {"c": None}}, {"b": {"c": 1}}]
    whole = Leaves(pa.table({"a": pa.array(cells, _STRUCT)}))
    assert len(whole.rows([("a", "b", "c")])) == 4


def test_rows_are_compared_whole() -> None:
    ours = Leaves(pa.table({"k": [1, 2], "v": ["b", "a"]}))
    theirs = Leaves(pa.table({"k": [1, 2], "v": ["a", "b"]}))
    assert not is_contained(ours, theirs, "set")


def test_nulls_keep_their_column() -> None:
    ours = Leaves(pa.table({"k": [None, "a"], "v": ["a", None]}))
    theirs = Leaves(pa.table({"k": ["a", "a"], "v": [None, None]}))
    assert not is_contained(ours, theirs, "set")
    assert is_contained(theirs, ours, "set")
    assert not is_contained(theirs, ours, "bag")


def test_vacuous_children_are_contained_in_anything() -> None:
    full = _one(1, pa.int64())
    assert is_contained(_one(None, pa.int64()), full, "bag")
    assert is_contained(Leaves(pa.table({"a": pa.array([], pa.int64())})), full, "bag")
    assert not is_contained(full, _one(None, pa.int64()), "set")

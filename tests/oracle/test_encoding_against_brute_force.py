"""The engine's cell encoding and the oracle's rules call the same cells equal."""

import itertools
from collections.abc import Hashable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa

from lakebed.connectors.lake.leaves import batch_leaves, schema_leaves
from lakebed.tasks.encoding.hashes import column_sums, finish
from tests.oracle.brute_force import Leaves

_KEY = b"0123456789abcdef" * 2
_MAP = pa.map_(pa.string(), pa.int64())
_LISTS: list[object] = [[], [[]], [[1], [2]], [[1, 2]], [None]]
_INNER = pa.struct([("b", pa.int64()), ("c", pa.string())])
_MOMENT = datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
_BIG = (2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 10**17, 10**18 + 1)

_CELLS: list[tuple[object, pa.DataType]] = [
    *((value, pa.int64()) for value in (0, 1, -1, 100, 1_000_000, *_BIG)),
    *((value, pa.uint64()) for value in (0, 1, 2**63, 2**64 - 1)),
    *((value, pa.int8()) for value in (0, 1, -1, 100)),
    *((float(value), pa.float64()) for value in (0, 1, -1, 0.1, 0.5, 1e300, 5e-324, *_BIG, 2**63, 2**64)),
    *((value, pa.float64()) for value in (-0.0, float("nan"), float("inf"), float("-inf"))),
    *((value, pa.float32()) for value in (0.0, -0.0, 0.1, 0.5, 1.0, float("nan"), float("inf"), float(2**63))),
    *((value, pa.float16()) for value in (0.0, 0.5, 1.0, float("nan"))),
    *((Decimal(value), pa.decimal128(38, 4)) for value in ("0", "1", "-1", "0.1", "0.5", "1E+17", *map(str, _BIG))),
    *((Decimal(value), pa.decimal256(60, 2)) for value in ("1", "0.5", str(2**64), "1E+40")),
    *((value, pa.bool_()) for value in (True, False)),
    *((value, pa.string()) for value in ("", "0", "1", "a", "a\0", "é", "e\u0301", "true")),
    *((value, pa.large_string()) for value in ("", "1", "é")),
    *((value, pa.dictionary(pa.int32(), pa.string())) for value in ("1", "a")),
    *((value, pa.binary()) for value in (b"", b"1", b"a", b"a\0")),
    (b"a", pa.binary(1)),
    *((date(1970, 1, day), pa.date32()) for day in (1, 2)),
    (date(1970, 1, 1), pa.date64()),
    *((_MOMENT, pa.timestamp(unit, zone)) for unit in ("ms", "us", "ns") for zone in ("UTC", "Asia/Tokyo")),
    (_MOMENT.replace(tzinfo=None), pa.timestamp("us")),
    *((datetime(1970, 1, 1, tzinfo=UTC), pa.timestamp(unit, "UTC")) for unit in ("s", "ns")),
    (_MOMENT + timedelta(microseconds=1), pa.timestamp("us", "UTC")),
    *((time(0, 0, 1), kind) for kind in (pa.time32("s"), pa.time64("us"))),
    *((timedelta(seconds=1), pa.duration(unit)) for unit in ("s", "us")),
    *((value, pa.list_(pa.int64())) for value in ([], [1], [1, 2], [2, 1], [None], [1, None])),
    *((value, pa.list_(pa.float64())) for value in ([], [1.0], [float("nan")])),
    *((value, pa.large_list(pa.int64())) for value in ([], [1])),
    ([1], pa.list_(pa.int64(), 1)),
    *((value, pa.list_(pa.string())) for value in ([], ["1"], ["1", "2"], ["12"])),
    *((value, pa.list_(pa.list_(pa.int64()))) for value in _LISTS),
    *((value, _MAP) for value in ([], [("k", 1)], [("k", 1), ("l", 2)], [("l", 2), ("k", 1)], [("k", None)])),
    *((value, pa.list_(_INNER)) for value in ([], [None], [{"b": None, "c": None}], [{"b": 1, "c": "x"}])),
    (None, pa.int64()),
    (None, pa.string()),
    (None, pa.list_(pa.int64())),
    (None, pa.null()),
]


def test_equal_cells_have_equal_hashes_and_others_do_not() -> None:
    cells = [_both(value, kind) for value, kind in _CELLS]
    for ours, theirs in itertools.combinations(range(len(cells)), 2):
        is_equal_hash = cells[ours][0] == cells[theirs][0]
        is_equal_cell = cells[ours][1] == cells[theirs][1]
        assert is_equal_hash == is_equal_cell, f"{_CELLS[ours]} and {_CELLS[theirs]}: equal is {is_equal_cell}"


def test_nulls_at_each_depth_differ() -> None:
    kind = pa.struct([("b", pa.struct([("c", pa.int64())]))])
    values = [None, {"b": None}, {"b": {"c": None}}, {"b": {"c": 0}}]
    assert len({_both(value, kind)[0] for value in values}) == len(values)


def _both(value: object, kind: pa.DataType) -> tuple[tuple[bytes, ...], tuple[Hashable, ...]]:
    """Hashes and oracle's cells of the leaves of a one-cell table."""
    table = pa.table({"a": pa.array([value], kind)})
    leaves = schema_leaves(table.schema)
    arrays = batch_leaves(table.to_batches()[0], leaves)
    sums = [column_sums(arrays[leaf.token].values, arrays[leaf.token].null_depth, "a", _KEY) for leaf in leaves]
    hashes = [finish(one, _KEY) for one in sums]
    cells = Leaves(table).columns.values()
    return tuple(part.tobytes() for part in hashes), tuple(column[0] for column in cells)

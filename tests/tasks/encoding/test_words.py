import hashlib
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import types as t

from lakebed.tasks.encoding import ENCODING_ID, OLDER_ENCODING_ID, hashes, sip_hashes
from lakebed.tasks.encoding.multiset import multiset_hash
from lakebed.tasks.encoding.sums import multiset_sum, sum_digest
from lakebed.tasks.encoding.words import GOLDEN, OLDER_GOLDEN, bytes_words, signed_halves, tag_with_scale
from tests.tasks.encoding.arrays import FLAT_TYPES, KEY, NESTED_TYPES, SIP_KEY, array_of, quick, raw_values
from tests.tasks.encoding.reference import PER_SECOND
from tests.tasks.encoding.test_cells import words_of

VECTORS = [
    pa.nulls(3),
    pa.array([True, False, None]),
    pa.array([2**63 - 1, -1, None]),
    pa.array([0.1, -0.0, float("nan"), float("inf"), 2.0**70, 2.0**200]),
    pa.array([Decimal("0.10"), Decimal("0.5"), Decimal("-7")]),
    pa.array([Decimal(3) ** 100, Decimal("1e60")], pa.decimal256(76, 0)),
    pa.array(["", "a", "münze und mehr"]),
    pa.array([b"", b"\x00", b"12345678"]),
    pa.array([-1, 20_000], pa.int32()).view(pa.date32()),
    pa.array([-1, 2**62], pa.int64()).view(pa.timestamp("us", "UTC")),
    pa.array([1, 86_399], pa.int32()).view(pa.time32("s")),
    pa.array([-5, 7], pa.int64()).view(pa.duration("ms")),
    pa.array([[1, None], [], None]),
    pa.array([[{"b": 1, "a": "x"}], [None]]),
    pa.array([[("k", 1), ("a", 2)]], pa.map_(pa.string(), pa.int8())),
    pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
]


LONG = [pa.array(["x" * 1_984, "x" * 1_985, "y" * 5_000]), pa.array([[1] * 50, [1] * 200])]


def vectors(arrays: list[pa.Array]) -> Iterator[tuple[pa.Array, np.ndarray, bool]]:
    """Every vector with depths for its nulls, loosely and strictly typed."""
    for strict in (False, True):
        for values in arrays:
            yield values, np.arange(len(values), dtype=np.uint8), strict


def test_the_id_changes_with_any_word():
    """When this fails on purpose: put the digest into words.py, and every artifact of the old encoding is made anew."""
    digest = hashlib.sha256()
    for values, depth, strict in vectors(VECTORS + LONG):
        sums = hashes.column_sums(values, depth, '["a"]', KEY, strict_types=strict)
        rows = hashes.row_hashes([sums, sums], KEY)
        digest.update(sums.astype("<u8").tobytes() + rows.astype("<u8").tobytes())
        digest.update(sum_digest(multiset_sum(rows, KEY), KEY))
    assert digest.hexdigest() == GOLDEN
    assert ENCODING_ID == f"lakebed-rows-2-{GOLDEN[:16]}"


def test_what_the_first_encoding_wrote_can_be_made_again():
    digest = hashlib.sha256()
    for values, depth, strict in vectors(VECTORS):
        cells = sip_hashes.column_hashes(values, depth, '["a"]', SIP_KEY, strict_types=strict)
        rows = sip_hashes.row_hashes([cells, cells], SIP_KEY)
        digest.update(cells.astype("<u8").tobytes() + rows.astype("<u8").tobytes() + multiset_hash(rows))
    assert digest.hexdigest() == OLDER_GOLDEN
    assert OLDER_ENCODING_ID == f"lakebed-rows-1-{OLDER_GOLDEN[:16]}"


def logical(value: object, kind: pa.DataType) -> object:  # noqa: PLR0911 - one a family
    """What a cell means, in terms that Python compares exactly."""
    if value is None:
        return "null"
    if t.is_dictionary(kind):
        return logical(value, kind.value_type)
    if t.is_boolean(kind):
        return ("bool", value)
    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return ("number", Fraction(value) if math.isfinite(value) else str(value))
    if t.is_date(kind):
        return ("date", value // (86_400_000 if t.is_date64(kind) else 1))
    if t.is_temporal(kind):
        family = "time of day" if t.is_time(kind) else "timestamp" if t.is_timestamp(kind) else "duration"
        return (family, Fraction(value, PER_SECOND[kind.unit]))
    if t.is_struct(kind):
        return ("struct", frozenset((field.name, logical(value[field.name], field.type)) for field in kind))
    if t.is_map(kind):
        pairs = [(logical(key, kind.key_type), logical(held, kind.item_type)) for key, held in value]
        return ("map", tuple(sorted(pairs, key=repr)))
    if t.is_nested(kind):
        return ("list", tuple(logical(item, kind.value_type) for item in value))
    return (type(value).__name__, value)


@st.composite
def some_cells(draw: st.DrawFn) -> list[tuple[object, pa.DataType]]:
    kinds = draw(st.lists(st.sampled_from(FLAT_TYPES + NESTED_TYPES), min_size=1, max_size=3))
    return [(draw(raw_values(kind)), kind) for kind in kinds for _ in range(4)]


@settings(max_examples=300, deadline=None)
@given(some_cells())
def test_cells_have_equal_words_exactly_if_they_mean_the_same(cells):
    words = [tuple(words_of(array_of([value], kind))[0]) for value, kind in cells]
    meanings = [logical(value, kind) for value, kind in cells]
    for i in range(len(cells)):
        for j in range(i):
            assert (words[i] == words[j]) == (meanings[i] == meanings[j]), (cells[i], cells[j])
            assert words[i] == words[j] or words[i][: len(words[j])] != words[j], "a cell is no prefix of another"


@quick
@given(st.integers(-(2**127), 2**127 - 1))
def test_signed_halves_are_twos_complement(value):
    low, high = signed_halves(value)
    assert int.from_bytes(low.to_bytes(8, "little") + high.to_bytes(8, "little"), "little", signed=True) == value


def test_bytes_words_pad_with_zeros_and_tell_the_length():
    assert bytes_words(6, b"") == [6, 0]
    assert bytes_words(6, b"a") == [6, 1, 0x61] != bytes_words(6, b"a\0")
    assert len(bytes_words(6, b"123456789")) == 4


def test_the_scale_stands_beside_the_tag():
    assert tag_with_scale(4, 3) == 4 | 3 << 32
    assert tag_with_scale(4, -1) == 4 | 0xFFFFFFFF << 32

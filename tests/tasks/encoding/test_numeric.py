from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from lakebed.tasks.encoding.numeric import decimal_cells, float_cells, number_words, scaled_halves
from tests.tasks.encoding.arrays import quick
from tests.tasks.encoding.reference import number_words as reference_words

INT128 = st.integers(-(2**127), 2**127 - 1)


def limbs_of(values: list[int]) -> np.ndarray:
    data = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
    return np.frombuffer(data, "<u8").reshape(-1, 2)


@quick
@given(st.integers(0, 60), st.lists(INT128, min_size=1, max_size=6), st.integers(0, 38))
@example(0, [-(2**127), 2**127 - 1], 0)
@example(55, [-(2**127), 5**54, 5**54 * 3], 0)
def test_decimal_cells_equal_the_reference_for_every_int128(scale, values, n_zeros):
    values += [
        value // 10**n_zeros * 10**n_zeros for value in values if value // 10**n_zeros * 10**n_zeros >= -(2**127)
    ]
    values += [value // 5**n_zeros * 5**n_zeros for value in values if value // 5**n_zeros * 5**n_zeros >= -(2**127)]
    tags, low, high = decimal_cells(limbs_of(values), scale)
    got = [[int(word) for word in cell] for cell in zip(tags, low, high, strict=True)]
    assert got == [reference_words(Fraction(value, 10**scale)) for value in values]


@quick
@given(st.lists(st.floats() | st.integers(-(2**130), 2**130).map(float), min_size=1), st.booleans())
@example([2.0**63, -(2.0**63), 2.0**127, -(2.0**127), 2.0**127 * (1 - 2**-53), -0.0, 5e-324], True)
def test_float_cells_equal_the_reference(values, strict):
    floats = np.array(values)
    cells = zip(*float_cells(floats, floats.view(np.uint64), strict), strict=True)
    assert [[int(word) for word in cell] for cell in cells] == [reference_words(value, strict) for value in values]


@quick
@given(st.integers(-(10**80), 10**80), st.integers(-60, 400))
@example(5**400, 400)
def test_number_words_equal_the_reference(unscaled, scale):
    value = Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale))
    assert number_words(unscaled, scale) == reference_words(value)


@quick
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), st.sampled_from([1, 1000, 10**6, 10**9]))
def test_scaled_halves_are_exact_products(values, factor):
    low, high = scaled_halves(np.array(values, dtype=np.int64), factor)
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == [tuple(row) for row in halves_of(values, factor)]


def halves_of(values: list[int], factor: int) -> list[list[int]]:
    return limbs_of([value * factor for value in values]).tolist()

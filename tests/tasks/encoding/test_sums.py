import numpy as np
import pyarrow as pa

from lakebed.tasks.encoding.hashes import add_cells, finish, start_sums
from lakebed.tasks.encoding.sums import add_sums, multiset_sum, sum_digest, total, unveiled, veiled
from tests.tasks.encoding.arrays import KEY
from tests.tasks.encoding.forgery import LEVELS, LIST_ROWS, forged_sets


def visible_sum(hashes: np.ndarray) -> int:
    return sum(int(high) << 64 | int(low) for high, low in hashes.tolist()) % (1 << 128)


def test_two_sets_forged_from_visible_hashes_have_other_digests():
    """Who sees the hashes of rows makes two sets of 1,024 rows whose hashes have one sum; their digests differ."""
    number = pa.array(np.arange(LIST_ROWS << LEVELS))
    sums = start_sums(len(number))
    add_cells(sums, number, None, "number", KEY)
    hashes = finish(sums, KEY).reshape(1 << LEVELS, LIST_ROWS, 2)
    chosen = hashes[np.arange(1 << LEVELS), forged_sets(hashes)]
    one, other = chosen[: 1 << (LEVELS - 1)], chosen[1 << (LEVELS - 1) :]
    assert not set(map(tuple, one.tolist())) & set(map(tuple, other.tolist()))
    assert visible_sum(one) == visible_sum(other)
    digests = [sum_digest(multiset_sum(rows, KEY), KEY) for rows in (one, other)]
    assert digests[0] != digests[1]


def test_digests_depend_on_the_rows_alone():
    rows = np.random.default_rng(4).integers(0, 2**64, (500, 2), dtype=np.uint64)
    whole, turned = multiset_sum(rows, KEY), multiset_sum(rows[::-1], KEY)
    parts = [multiset_sum(part, KEY) for part in np.array_split(rows, 7)]
    assert sum_digest(whole, KEY) == sum_digest(turned, KEY) == sum_digest(total(parts), KEY)
    assert sum_digest(whole, KEY) != sum_digest(multiset_sum(rows[1:], KEY), KEY)
    assert sum_digest(whole, KEY) != sum_digest(whole, KEY[::-1])
    assert total([]).tolist() == [0, 0]


def test_two_equal_rows_do_not_cancel():
    rows = np.array([[1, 2], [1, 2]], np.uint64)
    assert multiset_sum(rows, KEY).tolist() == total([multiset_sum(rows[:1], KEY)] * 2).tolist()
    assert multiset_sum(rows, KEY).any()


def test_sums_add_modulo_2_to_the_128():
    top = np.full((3, 2), (1 << 64) - 1, np.uint64)
    one = np.array([[0, 1]] * 3, np.uint64)
    assert add_sums(top, one).tolist() == [[0, 0]] * 3
    assert total([top[0], one[0]]).tolist() == [0, 0]


def test_a_veil_hides_equal_sums_and_comes_off():
    data = bytes(range(48))
    first, second = veiled(data, KEY), veiled(data, KEY)
    assert first != second and data not in first
    assert unveiled(first, KEY) == unveiled(second, KEY) == data
    assert unveiled(first, KEY[::-1]) != data

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment.kernel.proof import HashRows
from lakebed.tasks.relations.kernel.exact import ItemRows, UnionAsked, UnionSums, compare_union

KEY = bytes(range(32))
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 5), st.integers(1, 2)), min_size=1, max_size=30
)


def hash_rows(rows):
    """From (projection, item, hash, count)."""
    projection, item, number, count = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    hashes = np.repeat(np.stack([number, number], axis=1).astype(np.uint64), count, axis=0)
    return HashRows(projection, item.astype(np.int32), np.cumsum([0, *count], dtype=np.int64), hashes)


@given(ROWS, st.booleans())
def test_a_union_over_buckets_is_the_union_over_all(rows, is_bag):
    asked = UnionAsked(0, 0, (1, 2, 3))
    whole = compare_union(ItemRows(hash_rows(rows)), asked, KEY, is_bag=is_bag)
    halves = [[row for row in rows if row[2] % 2 == rest] for rest in (0, 1)]
    parts = [compare_union(ItemRows(hash_rows(half)), asked, KEY, is_bag=is_bag) for half in halves if half]
    merged = UnionSums.merged(parts)
    assert merged.n_child_rows == whole.n_child_rows
    counts = [one.digested(KEY).n_child_distinct for one in (merged, whole)]
    assert counts[0] == counts[1] == len({row[2] for row in rows if row[:2] == (0, 0)})
    assert np.array_equal(merged.n_parent_distinct, whole.n_parent_distinct)
    assert np.array_equal(merged.sums, whole.sums)


def test_hashes_agree_only_where_every_row_is_matched():
    rows = [(0, 0, 1, 1), (0, 0, 2, 1), (0, 1, 1, 1), (0, 2, 2, 5)]
    both = compare_union(ItemRows(hash_rows(rows)), UnionAsked(0, 0, (1, 2)), KEY, is_bag=False)
    one = compare_union(ItemRows(hash_rows(rows)), UnionAsked(0, 0, (1, 3)), KEY, is_bag=False)
    assert np.array_equal(both.sums[0], both.sums[1])
    assert not np.array_equal(one.sums[0], one.sums[1])

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment.kernel.schema_graph import group_schemas
from lakebed.tasks.containment.kernel.sketches import RowSketches, SketchedPairs, sketch_pairs, unrefuted_pairs
from tests.tasks.containment.kernel.builders import Column, bounds_of, hash_words

# tables of two schemas: {0} or {0, 1}; rows are numbers, a projection of one is its third
tables = st.lists(
    st.tuples(st.booleans(), st.sets(st.integers(0, 40), min_size=1, max_size=12), st.integers(0, 3)),
    min_size=2,
    max_size=7,
)


def rows_of(table, projection):
    """The rows of a table on the columns of schema 0 (`narrow`) or of both."""
    is_wide, rows, _ = table
    return {row // 3 for row in rows} if is_wide and projection == "narrow" else rows


def sketches_of(lake):
    """RowSketches of the lake with mixed levels, its schemas' groups, and all pairs that schemas allow."""
    indptr = np.cumsum([0, *(2 if is_wide else 1 for is_wide, _, _ in lake)], dtype=np.int64)
    tokens = np.concatenate([np.arange(2 if is_wide else 1, dtype=np.int32) for is_wide, _, _ in lake])
    groups = group_schemas(indptr, tokens)
    kinds = {
        int(groups.schema_of_table[place]): "wide" if is_wide else "narrow" for place, (is_wide, *_) in enumerate(lake)
    }
    members = [
        (schema, table)
        for schema, kind in sorted(kinds.items())
        for table in range(len(lake))
        if kind == "narrow" or lake[table][0]
    ]
    samples = [sample(rows_of(lake[table], kinds[schema]), lake[table][2]) for schema, table in members]
    projection, table = np.array(members, np.int32).T
    sketches = RowSketches(
        projection=projection.copy(),
        table=table.copy(),
        level=np.array([lake[place][2] for place in table], np.int32),
        is_child=groups.schema_of_table[table] == projection,
        indptr=np.cumsum([0, *map(len, samples)], dtype=np.int64),
        hashes=np.concatenate(samples),
    )
    pairs = [
        (a, b) for schema, b in members for a in range(len(lake)) if groups.schema_of_table[a] == schema and a != b
    ]
    return sketches, groups, kinds, sorted(pairs)


def sample(rows, level):
    hashes = hash_words(sorted(rows))
    hashes = hashes[np.lexsort((hashes[:, 1], hashes[:, 0]))]
    return hashes if level == 0 else hashes[hashes[:, 0] >> np.uint64(64 - level) == 0]


def unpack(pairs):
    child, parent = np.array(pairs, np.int32).reshape(-1, 2).T
    return child.copy(), parent.copy()


@given(tables)
def test_a_refutation_is_never_wrong_whatever_the_levels(lake):
    sketches, groups, kinds, pairs = sketches_of(lake)
    found = sketch_pairs(sketches, groups.schema_of_table, *unpack(pairs))
    for (child, parent), n_compared, n_missing in zip(pairs, found.n_compared, found.n_missing, strict=True):
        kind = kinds[int(groups.schema_of_table[child])]
        mine, theirs = rows_of(lake[child], kind), rows_of(lake[parent], kind)
        assert n_missing == 0 or not mine <= theirs
        level = max(lake[child][2], lake[parent][2])
        assert n_compared == len(sample(mine, level))
        assert n_missing == len(sample(mine - theirs, level))
        if level == 0:
            assert (n_missing == 0) == (mine <= theirs)


@given(tables)
def test_posting_lists_give_the_pairs_that_listing_gives(lake):
    sketches, groups, _, pairs = sketches_of(lake)
    columns = [{token: Column(n_nulls=0) for token in range(2 if is_wide else 1)} for is_wide, _, _ in lake]
    _, bounds = bounds_of(columns, [len(rows) for _, rows, _ in lake])
    listed = sketch_pairs(sketches, groups.schema_of_table, *unpack(pairs)).unrefuted()
    posted = unrefuted_pairs(sketches, groups.schema_of_table, bounds, is_bag=False)
    assert sorted(zip(posted.child.tolist(), posted.parent.tolist(), strict=True)) == sorted(
        zip(listed.child.tolist(), listed.parent.tolist(), strict=True)
    )


def test_what_holds_by_definition_is_not_found_again_by_posting_lists():
    # table 0 is known to be all null; table 1 may be, and so may lie in it
    _, bounds = bounds_of([{0: Column(n_nulls=2)}, {0: Column(n_nulls=-1)}], (2, 2))
    sketches, groups, _, _ = sketches_of([(False, {3}, 0), (False, {3}, 0)])
    found = unrefuted_pairs(sketches, groups.schema_of_table, bounds, is_bag=False)
    assert list(zip(found.child.tolist(), found.parent.tolist(), strict=True)) == [(1, 0)]


def test_no_pairs():
    assert len(SketchedPairs.none().unrefuted().child) == 0

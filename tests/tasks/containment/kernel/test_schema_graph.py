import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment.kernel.schema_graph import count_table_pairs, group_schemas, schema_edges

# tokens of one signature bit, and of several
tokens = st.integers(0, 12) | st.sampled_from([64, 65, 128])
schemas = st.lists(st.frozensets(tokens, max_size=6), min_size=1, max_size=30)


def groups_of(tables):
    rows = [np.array(sorted(table), np.int32) for table in tables]
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return group_schemas(indptr, np.concatenate(rows))


def table_pairs(groups):
    return {
        (int(child), int(parent))
        for a, b in zip(*schema_edges(groups), strict=True)
        for child in groups.schema_tables(a)
        for parent in groups.schema_tables(b)
        if child != parent
    }


@given(schemas)
def test_edges_are_exactly_the_subset_relation(tables):
    expected = {(a, b) for a, left in enumerate(tables) for b, right in enumerate(tables) if a != b and left <= right}
    groups = groups_of(tables)
    assert table_pairs(groups) == expected
    assert count_table_pairs(groups.n_tables_of, *schema_edges(groups)) == len(expected)


def test_tables_of_one_schema_are_one_group():
    groups = groups_of([{1, 2}, {3}, {2, 1}])
    assert groups.n_schemas == 2
    assert groups.schema_of_table.tolist() == [0, 1, 0]
    assert groups.schema_tables(0).tolist() == [0, 2]


def test_a_chain_of_schemas_gives_every_edge_down_the_chain():
    groups = groups_of([{1}, {1, 2}, {1, 2, 3}])
    assert table_pairs(groups) == {(0, 1), (0, 2), (1, 2)}

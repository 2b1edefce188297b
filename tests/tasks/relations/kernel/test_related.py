import numpy as np
from hypothesis import given

from lakebed.tasks.containment.kernel.schema_graph import group_schemas, schema_edges
from lakebed.tasks.relations.kernel.related import related_roles
from tests.tasks.relations.kernel.builders import lake_of
from tests.tasks.relations.kernel.test_columns import small_lakes


def roles_of(groups, bounds):
    """Of columns that hold no floats."""
    return related_roles(groups, schema_edges(groups), bounds, np.zeros(len(bounds.token), np.bool_))


def shares_a_row(child, parent, paths):
    mine, theirs = (set(zip(*(table[path] for path in paths), strict=True)) for table in (child, parent))
    return bool(mine & theirs)


def is_vacuous(table):
    return all(value is None for values in table.values() for value in values)


@given(small_lakes())
def test_tables_that_share_a_row_have_their_roles(tables):
    bounds, _ = lake_of(tables)
    groups = group_schemas(bounds.indptr, bounds.token)
    roles = set(map(tuple, roles_of(groups, bounds).tolist()))
    for child, mine in enumerate(tables):
        for parent, theirs in enumerate(tables):
            if child == parent or not set(mine) <= set(theirs) or is_vacuous(mine) or is_vacuous(theirs):
                continue
            if shares_a_row(mine, theirs, sorted(mine)):
                schema = int(groups.schema_of_table[child])
                assert {(schema, child), (schema, parent)} <= roles


def test_disjoint_tables_have_none():
    bounds, _ = lake_of([{0: [1, 2], 1: [5, 6]}, {0: [1, 2], 1: [7, 9]}, {0: [1, None], 1: [8, 8]}])
    groups = group_schemas(bounds.indptr, bounds.token)
    # the first lies apart from both in its second column; the others overlap in both
    assert np.array_equal(roles_of(groups, bounds)[:, 1], [1, 2])


def test_columns_of_floats_may_share_nan_outside_their_bounds():
    bounds, _ = lake_of([{0: [1, 2]}, {0: [5, 6]}])
    groups = group_schemas(bounds.indptr, bounds.token)
    assert not len(related_roles(groups, schema_edges(groups), bounds, np.array([True, False])))
    assert len(related_roles(groups, schema_edges(groups), bounds, np.array([True, True]))) == 2

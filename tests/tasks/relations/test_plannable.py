from tasks.relations.plannable import plannable_relations
from tests.tasks.relations.test_explain import artifact  # noqa: F401


def test_whole_tables_that_are_no_coincidence(artifact):  # noqa: F811
    found = list(plannable_relations(*artifact))
    assert {(one.kind, one.child) for one in found} >= {("union", "base"), ("renamed", "renamed")}
    (union,) = [one for one in found if one.kind == "union"]
    assert sorted(union.parents) == [f"day/{day}" for day in range(5)]
    assert len(union.columns) == len(union.parent_ids) == 5
    assert union.columns[0] == {'["id"]': '["id"]', '["price"]': '["price"]', '["city"]': '["city"]'}
    rows = artifact[0].read(artifact[1], "proven").to_pylist()
    left_out = {row["relation_id"] for row in rows} - {one.relation_id for one in found}
    assert left_out
    assert all(rows[number]["child_part"] or rows[number]["coincidental"] for number in left_out)

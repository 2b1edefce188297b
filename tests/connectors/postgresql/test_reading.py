import json

import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.postgresql.columns import Column
from lakebed.connectors.postgresql.reading import plan_queries, session_statement, settled_columns
from lakebed.connectors.postgresql.tables import Heap, Table

MIB = 1 << 20


class Answers:
    """A connection that has its answers ready."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def text(self, sql):
        self.asked.append(sql)
        return self.answers.pop(0)

    tried = text


HEAP = Heap(7, "s.t")


def table(*columns, heaps=(HEAP,)):
    return Table(7, "s.t", "TABLE", columns or (Column("a", 't."a"', "int32", "int32"),), heaps, True, "")


def test_a_table_is_cut_into_ranges_of_pages():
    connection = Answers("[150000, 8192]", str(5 * MIB // 2))
    one = table()
    [query] = plan_queries(connection, one, one.columns, MIB)
    assert query.relation == '(SELECT t."a" AS c0, t.ctid AS place FROM ONLY s.t t) q'
    assert query.conditions == (
        "place >= '(0,0)'::tid AND place < '(128,0)'::tid",
        "place >= '(128,0)'::tid AND place < '(256,0)'::tid",
        "place >= '(256,0)'::tid",
    )


@pytest.mark.parametrize(
    "answers", [("[130000, 8192]", str(9 * MIB)), ("[150000, 8192]", "8192"), ("[150000, 8192]", "0")]
)
def test_small_tables_and_old_servers_are_read_in_one_query(answers):
    one = table()
    [query] = plan_queries(Answers(*answers), one, one.columns, MIB)
    assert (query.relation, query.conditions) == ('(SELECT t."a" AS c0 FROM ONLY s.t t) q', ())


def test_parts_are_read_by_themselves_and_what_has_no_place_as_a_whole():
    one = table(heaps=(Heap(1, "s.a"), Heap(2, "s.b")))
    assert [q.relation[-13:] for q in plan_queries(Answers("[150000, 8192]", "0", "0"), one, one.columns, MIB)] == [
        "ONLY s.a t) q", "ONLY s.b t) q",
    ]  # fmt: skip
    one = table(heaps=())
    assert [q.relation[-11:] for q in plan_queries(Answers(), one, one.columns, MIB)] == ["FROM s.t t) q"[-11:]]


def test_the_digits_of_a_free_numeric_are_asked_for():
    free = Column("n", 't."n"::text', "string", "")
    connection = Answers(json.dumps([[6, 30, 0]]))
    assert settled_columns(connection, table(free))[0].type == "decimal128(38, 6)"
    assert 'max(scale(t."n"))' in connection.asked[0]
    assert settled_columns(Answers(json.dumps([[20, 40, 0]])), table(free))[0].type == "decimal256(60, 20)"
    assert settled_columns(Answers(json.dumps([[None, None, 0]])), table(free))[0].type == "decimal128(38, 0)"
    for facts in ([0, 3, 1], [20, 60, 0]):
        with pytest.raises(SourceError, match="cannot be compared"):
            settled_columns(Answers(json.dumps([facts])), table(free))


def test_a_task_joins_the_snapshot_before_all_else():
    statements = session_statement("00000003-0000001B-1").split("; ")
    assert statements[0] == "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    assert statements[1] == "SET TRANSACTION SNAPSHOT '00000003-0000001B-1'"
    assert all(statement.startswith("SET LOCAL ") for statement in statements[2:])

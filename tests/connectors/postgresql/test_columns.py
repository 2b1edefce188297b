import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.postgresql.columns import Column, Types, make_column, quote, text_literal


def type_(name, **more):
    return {
        "name": name,
        "schema": "pg_catalog",
        "kind": "b",
        "category": "X",
        "base": 0,
        "modifier": -1,
        "element": 0,
        **more,
    }


TYPES = Types(
    {
        1: type_("int4"), 2: type_("numeric"), 3: type_("timestamptz"), 4: type_("_int4", category="A", element=1),
        5: type_("cents", schema="public", kind="d", base=2, modifier=655366), 6: type_("point"),
        7: type_("mood", schema="public", kind="e"), 8: type_("bpchar"), 9: type_("_bpchar", category="A", element=8),
        10: type_("_numeric", category="A", element=2), 11: type_("hstore", schema="public"),
        12: type_("deeper", schema="public", kind="d", base=5), 13: type_("_inet", category="A", element=14),
        14: type_("inet"),
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("number", "modifier", "sql", "found"),
    [
        (1, -1, 't."c"', "int32"),
        (2, 655366, 't."c"::text', "decimal128(10, 2)"),
        (2, (50 << 16) + 10 + 4, 't."c"::text', "decimal256(50, 10)"),
        (2, -1, 't."c"::text', ""),
        (2, (3 << 16) + (-2 & 0x7FF) + 4, 't."c"::text', ""),
        (3, -1, "(t.\"c\" AT TIME ZONE 'UTC')::text", "timestamp[us, tz=UTC]"),
        (5, -1, 't."c"::text', "decimal128(10, 2)"),
        (12, -1, 't."c"::text', "decimal128(10, 2)"),
        (7, -1, 't."c"::text', "string"),
        (8, 9, 'rpad(t."c"::text, 5)', "string"),
        (14, -1, 'textin(inet_out(t."c"))', "string"),
    ],
)
def test_types(number, modifier, sql, found):
    column = make_column("c", number, modifier, "shown", TYPES)
    assert (column.sql, column.type, column.is_list) == (sql, found, False)
    assert column.is_open == (found == "")


@pytest.mark.parametrize(
    ("number", "modifier", "sql", "found"),
    [
        (4, -1, 'array_to_json(t."c"::text[])::text', "int32"),
        (10, 655366, 'array_to_json(t."c"::text[])::text', "decimal128(10, 2)"),
        (13, -1, 'array_to_json(t."c")::text', "string"),
    ],
)
def test_arrays(number, modifier, sql, found):
    assert make_column("c", number, modifier, "shown", TYPES) == Column("c", sql, "string", found, is_list=True)


@pytest.mark.parametrize("number", [6, 9, 10, 11, 99])
def test_what_is_not_compared_is_named(number):
    with pytest.raises(SourceError) as caught:
        make_column("c", number, -1, "shown[]", TYPES)
    assert caught.value.value == "c is shown[]"


def test_names_and_texts_are_quoted():
    assert quote('a"b') == '"a""b"'
    assert text_literal("a'b") == "'a''b'"

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.tasks.retention.recipes.constants import constant_of
from lakebed.tasks.retention.recipes.model import Equals, In, Range, Term
from lakebed.tasks.retention.recipes.sql_text import (
    column,
    condition,
    identifier,
    literal,
    spark_path,
    sql_type,
    text_literal,
)

X = "x"
MIDNIGHT = datetime(2024, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(("name", "quoted"), [("a", "`a`"), ("a`b", "`a``b`"), ("`; --", "```; --`"), ("a.b", "`a.b`")])
def test_identifiers_end_where_they_should(name: str, quoted: str) -> None:
    assert identifier(name) == quoted


def test_members_of_structs_are_steps() -> None:
    assert column(("a.b", "c")) == "`a.b`.`c`"
    with pytest.raises(SourceError, match="second column"):
        column(("a", 2))


def test_variables_are_not_put_in() -> None:
    assert text_literal("${x}") == "'\\u0024{x}'"
    with pytest.raises(SourceError, match="variable"):
        identifier("${x}")


@pytest.mark.parametrize(("text", "quoted"), [("it's", r"'it\'s'"), ("\\", r"'\\'"), ("\\'", r"'\\\''"), ("", "''")])
def test_literals_end_where_they_should(text: str, quoted: str) -> None:
    assert text_literal(text) == quoted


def test_patterns_in_paths_are_plain() -> None:
    assert spark_path("/a*/[b]/{c}?") == r"/a\*/\[b\]/\{c\}\?"


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (pa.scalar(True), "TRUE"),
        (pa.scalar(-5), "-5"),
        (pa.scalar(0.1), "0.1D"),
        (pa.scalar(1e300), "1e+300D"),
        (pa.scalar(float("-inf")), "CAST('-Infinity' AS DOUBLE)"),
        (pa.scalar(Decimal("1.50")), "1.50BD"),
        (pa.scalar("a'b"), r"'a\'b'"),
        (pa.scalar(b"\x01\xff"), "X'01ff'"),
        (pa.scalar(19_000, pa.int32()).cast(pa.date32()), "DATE'2022-01-08'"),
        (pa.scalar(datetime(2024, 1, 2, 3, 4, 5, 6), pa.timestamp("us")), "TIMESTAMP_NTZ'2024-01-02T03:04:05.000006'"),
        (pa.scalar(MIDNIGHT, pa.timestamp("ms", "Asia/Tokyo")), "TIMESTAMP'2024-01-02T00:00:00.000000Z'"),
    ],
)  # fmt: skip
def test_values_as_sql(value: pa.Scalar, sql: str) -> None:
    assert literal(constant_of(value)) == sql


@pytest.mark.parametrize(
    ("type_", "sql"),
    [
        (pa.uint32(), "BIGINT"),
        (pa.dictionary(pa.int8(), pa.string()), "STRING"),
        (pa.decimal128(10, 2), "DECIMAL(10,2)"),
        (pa.list_(pa.struct([("a`b", pa.int8())])), "ARRAY<STRUCT<`a``b`: TINYINT>>"),
        (pa.map_(pa.string(), pa.float32()), "MAP<STRING, FLOAT>"),
    ],
)
def test_types_as_sql(type_: pa.DataType, sql: str) -> None:
    assert sql_type(type_) == sql


@pytest.mark.parametrize("type_", [pa.time64("us"), pa.timestamp("ns"), pa.decimal256(60, 2), pa.duration("s")])
def test_types_that_spark_lacks_are_refused(type_: pa.DataType) -> None:
    with pytest.raises(SourceError, match="no such type"):
        sql_type(type_)


ONE, TWO = (constant_of(pa.scalar(n)) for n in (1, 2))


@pytest.mark.parametrize(
    ("term", "type_", "sql"),
    [
        (Equals(token=X, value=ONE), pa.int64(), "`x` = 1"),
        (Equals(token=X, value=None), pa.int64(), "`x` IS NULL"),
        (Range(token=X, low=ONE, high=TWO), pa.int64(), "`x` BETWEEN 1 AND 2"),
        (Range(token=X, low=ONE, high=TWO, or_null=True), pa.int64(), "(`x` BETWEEN 1 AND 2 OR `x` IS NULL)"),
        (Range(token=X), pa.float64(), "`x` IS NOT NULL AND NOT isnan(`x`)"),
        (In(token=X, values=(ONE,)), pa.int64(), "`x` = 1"),
        (In(token=X, values=(ONE, TWO)), pa.int64(), "`x` IN (1, 2)"),
        (In(token=X, values=(), or_null=True), pa.int64(), "`x` IS NULL"),
    ],
)
def test_conditions_as_sql(term: Term, type_: pa.DataType, sql: str) -> None:
    assert condition(term, "`x`", type_) == sql

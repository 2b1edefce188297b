"""Pieces of Spark SQL: identifiers, literals, types, conditions, so quoted that no name or value is syntax."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import types as t

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.canonical import is_binarylike, is_stringlike
from lakebed.connectors.lake.leaves import storage_type
from lakebed.connectors.lake.text.types import float_texts
from lakebed.tasks.retention.recipes.constants import scalar_of
from lakebed.tasks.retention.recipes.model import Equals, Range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakebed.tasks.retention.recipes.model import Constant, Term

_NAMES = {
    pa.bool_(): "BOOLEAN", pa.int8(): "TINYINT", pa.int16(): "SMALLINT", pa.int32(): "INT", pa.int64(): "BIGINT",
    pa.uint8(): "SMALLINT", pa.uint16(): "INT", pa.uint32(): "BIGINT", pa.uint64(): "DECIMAL(20,0)",
    pa.float32(): "FLOAT", pa.float64(): "DOUBLE", pa.null(): "VOID",
}  # fmt: skip
_KINDS = ((is_stringlike, "STRING"), (is_binarylike, "BINARY"), (t.is_date, "DATE"))
_GLOB = re.compile(r"([\\*?\[\]{}])")


def identifier(name: str) -> str:
    """A name in backticks.

    Raises:
        SourceError: for a name in which Spark would put a variable's value.
    """
    if "${" in name:
        raise SourceError("Spark takes a part of the name for a variable", value=name)
    return "`" + name.replace("`", "``") + "`"


def column(path: Sequence[str | int]) -> str:
    """The column, or the member of a struct, that a path leads to.

    Raises:
        SourceError: for a second column of the same name, which Spark cannot address.
    """
    if any(isinstance(step, int) for step in path):
        raise SourceError("Spark cannot address the second column of one name", value=path[0])
    return ".".join(identifier(str(step)) for step in path)


def text_literal(text: str) -> str:
    """A string literal; the dollar sign is escaped, since Spark puts variables' values into whole statements."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024") + "'"


def spark_path(path: str) -> str:
    """A path in which nothing is taken for a pattern."""
    return _GLOB.sub(r"\\\1", path)


def spark_uri(uri: str) -> str:
    """The address of an object store as Hadoop knows it."""
    return f"s3a://{uri.removeprefix('s3://')}" if uri.startswith("s3://") else uri


def sql_type(type_: pa.DataType) -> str:
    """The Spark SQL type that holds the values of an Arrow type.

    Raises:
        SourceError: if there is none.
    """
    type_ = storage_type(type_)
    if type_ in _NAMES:
        return _NAMES[type_]
    for is_of, name in _KINDS:
        if is_of(type_):
            return name
    if t.is_timestamp(type_) and type_.unit != "ns":
        return "TIMESTAMP" if type_.tz else "TIMESTAMP_NTZ"
    if t.is_decimal(type_) and type_.precision <= 38 and type_.scale >= 0:
        return f"DECIMAL({type_.precision},{type_.scale})"
    return _nested_type(type_)


def _nested_type(type_: pa.DataType) -> str:
    if t.is_struct(type_):
        members = ", ".join(f"{identifier(field.name)}: {sql_type(field.type)}" for field in type_)
        return f"STRUCT<{members}>"
    if t.is_map(type_):
        return f"MAP<{sql_type(type_.key_type)}, {sql_type(type_.item_type)}>"
    if t.is_list(type_) or t.is_large_list(type_):
        return f"ARRAY<{sql_type(type_.value_type)}>"
    raise SourceError("Spark has no such type", value=str(type_))


def literal(constant: Constant) -> str:
    """A constant as Spark SQL."""
    value = scalar_of(constant)
    render = next((render for is_of, render in _LITERALS if is_of(value.type)), None)
    return render(value) if render else constant.value


def _timestamp(value: pa.Scalar) -> str:
    zone = value.type.tz
    exact = value.cast(pa.timestamp("us", zone)).cast(pa.timestamp("us"))
    text = exact.cast(pa.string()).as_py().replace(" ", "T")
    return f"TIMESTAMP'{text}Z'" if zone else f"TIMESTAMP_NTZ'{text}'"


def _float(value: pa.Scalar) -> str:
    number = float(value.as_py())
    if number in (float("inf"), float("-inf")):
        return f"CAST('{'-' if number < 0 else ''}Infinity' AS DOUBLE)"
    text = float_texts(pa.array([number]))[0].as_py()
    return f"{text if len(text) <= 24 else repr(number)}D"


_LITERALS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Scalar], str]], ...] = (
    (t.is_boolean, lambda value: "TRUE" if value.as_py() else "FALSE"),
    (is_stringlike, lambda value: text_literal(value.as_py())),
    (is_binarylike, lambda value: f"X'{value.as_py().hex()}'"),
    (t.is_date, lambda value: f"DATE'{value.cast(pa.date32()).cast(pa.string()).as_py()}'"),
    (t.is_timestamp, _timestamp),
    (t.is_floating, _float),
    (t.is_decimal, lambda value: f"{value.cast(pa.string()).as_py()}BD"),
)


def condition(term: Term, name: str, type_: pa.DataType) -> str:
    """A condition on a column.

    Args:
        term: the condition.
        name: SQL that gives the column.
        type_: of the column.
    """
    if isinstance(term, Equals):
        return f"{name} IS NULL" if term.value is None else f"{name} = {literal(term.value)}"
    if isinstance(term, Range):
        if term.low is None or term.high is None:
            text = f"{name} IS NOT NULL" + (f" AND NOT isnan({name})" if t.is_floating(type_) else "")
        else:
            text = f"{name} BETWEEN {literal(term.low)} AND {literal(term.high)}"
    elif not term.values:
        return f"{name} IS NULL"
    elif len(term.values) == 1:
        text = f"{name} = {literal(term.values[0])}"
    else:
        text = f"{name} IN ({', '.join(map(literal, term.values))})"
    return f"({text} OR {name} IS NULL)" if term.or_null else text

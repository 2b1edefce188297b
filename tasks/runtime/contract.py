"""The contract of one boundary: columns, types, meanings and checks, said once.

The Arrow, Spark and Delta schemas, the native checks (`checks.py`), the Great Expectations suite
and the docs page are all generated from it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakebed.connectors.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

Expectation = dict[str, Any]


@dataclass(frozen=True)
class AtLeast:
    """Every value ≥ `value`; NaN is not."""

    value: float

    def __str__(self) -> str:
        return f"≥ {self.value}"

    def expectation(self, column: str) -> Expectation:
        """The same for Great Expectations."""
        return _expect("column_values_to_be_between", column=column, min_value=self.value)


@dataclass(frozen=True)
class AtMost:
    """Every value ≤ `value`; NaN is not."""

    value: float

    def __str__(self) -> str:
        return f"≤ {self.value}"

    def expectation(self, column: str) -> Expectation:
        """The same for Great Expectations."""
        return _expect("column_values_to_be_between", column=column, max_value=self.value)


@dataclass(frozen=True)
class OneOf:
    """Every value is one of `values`."""

    values: tuple[str | int, ...]

    def __str__(self) -> str:
        return "one of " + ", ".join(repr(value) for value in self.values)

    def expectation(self, column: str) -> Expectation:
        """The same for Great Expectations."""
        return _expect("column_values_to_be_in_set", column=column, value_set=list(self.values))


@dataclass(frozen=True)
class Matches:
    """Every text matches `regex` from its beginning to its end (syntax common to RE2, Java and Python)."""

    regex: str

    def __str__(self) -> str:
        return f"matches `{self.regex}`"

    @property
    def anchored(self) -> str:
        """The expression with both ends tied."""
        return rf"^(?:{self.regex})$"

    def expectation(self, column: str) -> Expectation:
        """The same for Great Expectations."""
        return _expect("column_values_to_match_regex", column=column, regex=self.anchored)


@dataclass(frozen=True)
class AtMostColumn:
    """In every row the value in `left` ≤ the value in `right`; a null on either side is fine."""

    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.left} ≤ {self.right}"

    def expectation(self) -> Expectation:
        """The same for Great Expectations."""
        return _expect(
            "column_pair_values_a_to_be_greater_than_b",
            column_A=self.right,
            column_B=self.left,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
        )


Check = AtLeast | AtMost | OneOf | Matches
TableCheck = AtMostColumn


@dataclass(frozen=True)
class Column:
    """One column; `is_digested=False` keeps what differs between machines (times, ETags) out of the digest."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False
    is_digested: bool = True
    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        if not _is_storable(self.type):
            raise ContractError(
                f"column {self.name!r} has a type that Delta or the digest cannot hold",
                value=self.type,
                expected="bool, int8-int64, float, double, string, binary, date32, timestamp[us, tz=UTC], "
                "decimal128, or a list of these",
            )


@dataclass(frozen=True)
class Contract:
    """One versioned boundary between two stages; `key` names the columns that are unique together."""

    name: str
    version: int
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    checks: tuple[TableCheck, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        named = [*self.key, *(name for check in self.checks for name in (check.left, check.right))]
        unknown = sorted({name for name in named if name not in names})
        twice = sorted({name for name in names if names.count(name) > 1})
        if unknown or twice:
            raise ContractError(
                f"contract {self.name} names columns that it lacks, or one of them twice", examples=unknown or twice
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def digested_names(self) -> tuple[str, ...]:
        """The names of the columns that make up the content digest."""
        return tuple(column.name for column in self.columns if column.is_digested)

    def arrow_schema(self) -> pa.Schema:
        """The schema of the table in Arrow, Parquet and Delta."""
        return pa.schema([pa.field(column.name, column.type, column.nullable) for column in self.columns])

    def spark_schema(self) -> "StructType":
        """The schema of the table in Spark (imports pyspark)."""
        from pyspark.sql.pandas.types import from_arrow_schema

        return from_arrow_schema(self.arrow_schema())

    def table(self, rows: Sequence[dict[str, Any]]) -> pa.Table:
        """An Arrow table of this contract from rows as dicts, for small results."""
        return pa.Table.from_pylist(list(rows), schema=self.arrow_schema())

    def expectations(self) -> list[Expectation]:
        """The Great Expectations suite, as `{"type": …, "kwargs": …}`; none of them keeps rows."""
        suite = [_expect("table_columns_to_match_ordered_list", column_list=list(self.names))]
        for column in self.columns:
            if not column.nullable:
                suite.append(_expect("column_values_to_not_be_null", column=column.name))
            suite += [check.expectation(column.name) for check in column.checks]
        if len(self.key) == 1:
            suite.append(_expect("column_values_to_be_unique", column=self.key[0]))
        elif self.key:
            suite.append(_expect("compound_columns_to_be_unique", column_list=list(self.key)))
        return suite + [check.expectation() for check in self.checks]

    def to_markdown(self) -> str:
        """The docs page of this boundary."""
        rules = [f"- unique: {', '.join(f'`{name}`' for name in self.key)}"] if self.key else []
        rules += [f"- {check}" for check in self.checks]
        rows = [_markdown_row(column) for column in self.columns]
        head = ["| column | type | null | unit | meaning | checks |", "|---|---|---|---|---|---|"]
        lines = [f"# {self.name}, version {self.version}", "", self.meaning, "", *head, *rows]
        return "\n".join([*lines, *(["", *rules] if rules else []), ""])


def by_name(*contracts: Contract) -> dict[str, Contract]:
    """The contracts of one stage, each by the name of its table."""
    return {contract.name.rpartition(".")[2]: contract for contract in contracts}


def _expect(kind: str, **kwargs: Any) -> Expectation:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


def _markdown_row(column: Column) -> str:
    checks = [str(check) for check in column.checks] + ([] if column.is_digested else ["not digested"])
    cells = [
        f"`{column.name}`",
        str(column.type),
        "yes" if column.nullable else "no",
        column.unit,
        column.meaning,
        "; ".join(checks),
    ]
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells) + " |"


def _is_storable(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_list(kind):
        return _is_storable(kind.value_type)
    if types.is_timestamp(kind):
        return bool(kind.unit == "us" and kind.tz == "UTC")
    simple = (types.is_boolean, types.is_signed_integer, types.is_float32, types.is_float64)
    exact = (types.is_string, types.is_binary, types.is_date32, types.is_decimal128)
    return any(is_kind(kind) for is_kind in simple + exact)

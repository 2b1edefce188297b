"""The type of a column whose cells have types of their own, as those of SQLite and of spreadsheets have.

The values decide: integers, floats, text, bytes, booleans, days, times. Where they are of several kinds that one type
cannot hold, the column is text, which is said; bytes beside anything else cannot be compared at all.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lakebed.connectors.errors import SourceError

MAX_SAFE_INTEGER = 2**53

_TYPES = {
    bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary(),
    dt.date: pa.date32(), dt.datetime: pa.timestamp("us"), dt.time: pa.time64("us"), dt.timedelta: pa.duration("us"),
}  # fmt: skip


@dataclass(frozen=True)
class ColumnType:
    """What the cells of a column become; `is_mixed` where they are of several kinds, and so text."""

    type: pa.DataType
    is_mixed: bool = False

    def array(self, values: Sequence[Any]) -> pa.Array:
        """Cells of the column, None for null.

        Raises:
            ArrowException: if a value does not fit.
        """
        if self.is_mixed:
            return pa.array([None if value is None else text_of(value) for value in values], pa.string())
        if pa.types.is_null(self.type):
            return pa.nulls(len(values))
        return pa.array(values, self.type)


def type_of_kinds(name: str, kinds: Collection[type], *, are_exact: bool = True) -> ColumnType:
    """The type for values of these kinds.

    Args:
        name: of the column.
        kinds: that its values have, without null.
        are_exact: whether every integer among them is a float, too.

    Raises:
        SourceError: if bytes stand beside values of another kind.
    """
    found = set(kinds)
    if not found:
        return ColumnType(pa.null())
    if found == {int, float} and are_exact:
        return ColumnType(pa.float64())
    if found == {dt.date, dt.datetime}:
        return ColumnType(pa.timestamp("us"))
    if len(found) == 1:
        return ColumnType(_TYPES[found.pop()])
    if bytes in found:
        raise SourceError(
            "a column holds bytes beside other values",
            value=f"{name}: {', '.join(sorted(kind.__name__ for kind in found))}",
            expected="bytes alone, or none",
            hint="leave the table out with `exclude`",
        )
    return ColumnType(pa.string(), is_mixed=True)


def text_of(value: object) -> str:
    """A value of a mixed column as text: whole numbers without a fraction, times as ISO has them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= MAX_SAFE_INTEGER else repr(value)
    return value.isoformat(" ") if isinstance(value, dt.datetime) else str(value)


def mixed_notes(columns: Iterable[tuple[str, ColumnType]]) -> tuple[str, ...]:
    """What is said of the columns that became text."""
    names = [name for name, column in columns if column.is_mixed]
    return (f"values of several kinds read as text: {some_of(names)}",) if names else ()


def some_of(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

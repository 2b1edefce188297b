"""What a question is answered with: typed rows, which become an Arrow table, a data frame, or HTML in a notebook."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from html import escape
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin, get_type_hints, overload

from lakebed.connectors.errors import visible

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row = TypeVar("Row")
SHOWN_ROWS, SHOWN_CHARS = 30, 120


class Result(Sequence[Row], Generic[Row]):
    """Rows of one frozen dataclass, in their order.

    Args:
        kind: the dataclass.
        rows: of that kind.
        title: what they are, shown above them.

    Examples:
        >>> from lakebed.answers import Node
        >>> found = Result(Node, [Node(7, "table", "table:orders", "orders")], "neighbours of orders")
        >>> found, found[0].label, found.to_arrow().column_names
        (<neighbours of orders: 1 Node>, 'orders', ['node_id', 'kind', 'key', 'label'])
    """

    def __init__(self, kind: type[Row], rows: Iterable[Row], title: str = "") -> None:
        self.kind, self.title = kind, title
        self._rows = tuple(rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> "Result[Row]": ...
    def __getitem__(self, place: int | slice) -> "Row | Result[Row]":
        if isinstance(place, slice):
            return Result(self.kind, self._rows[place], self.title)
        return self._rows[place]

    def __repr__(self) -> str:
        return f"<{visible(self.title)}: {len(self):,} {self.kind.__name__}>"

    def to_arrow(self) -> "pa.Table":
        """One column a field, of a type that does not depend on the rows; what is nested becomes JSON text."""
        import pyarrow as pa

        hints = get_type_hints(self.kind)
        columns = {field.name: _arrow_type(hints[field.name]) for field in fields(self.kind)}  # type: ignore[arg-type]
        arrays = [pa.array([_plain(getattr(row, name)) for row in self], columns[name]) for name in columns]
        return pa.table(arrays, names=list(columns))

    def to_pandas(self) -> "pd.DataFrame":
        """The same as a data frame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def _repr_html_(self) -> str:
        """A table for notebooks, of the first rows, without the evidence; names of the lake are text there."""
        names = [field.name for field in fields(self.kind) if field.repr]  # type: ignore[arg-type]
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        rows = ("".join(f"<td>{_cell(getattr(row, name))}</td>" for name in names) for row in self[:SHOWN_ROWS])
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        more = f"<p>… and {len(self) - SHOWN_ROWS:,} more</p>" if len(self) > SHOWN_ROWS else ""
        return f"<table><caption>{_cell(self.title)}</caption><tr>{head}</tr>{body}</table>{more}"


def _arrow_type(hint: Any) -> "pa.DataType":
    import pyarrow as pa

    if get_origin(hint) is UnionType:
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    if hint == tuple[str, ...]:
        return pa.list_(pa.string())
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}.get(hint, pa.string())


def _plain(value: Any) -> Any:
    """A value as Arrow takes it."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else value


def _cell(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(_plain("" if value is None else value))
    text = visible(text)
    return escape(text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…")

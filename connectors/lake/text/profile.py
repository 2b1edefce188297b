"""Profiles of staged columns: block by block, which types still fit, with their bounds and nulls."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.config import ColumnType
from lakebed.connectors.lake.text.model import MAX_BOUND_LENGTH, Bounds, ColumnKind, ColumnScan, StagedCast
from lakebed.connectors.lake.text.renderings import COMMA, DATES, FLOATS, decimal_rendering, has_decimal_comma
from lakebed.connectors.lake.text.types import (
    CANDIDATE_TYPES,
    MAX_SAFE_INTEGER,
    cast_staged,
    has_form,
    is_plain_form,
    parse_canonical,
    survives_as_float,
    timestamp_forms,
)


class UncastableCell(ValueError):
    """A cell that does not fit the type that the config gives its column."""

    def __init__(self, token: str, row: int, cell: object, type_: str) -> None:
        super().__init__(token, row, cell, type_)
        self.token, self.row, self.cell, self.type = token, row, cell, type_


class Unsettled(Exception):
    """Later cells do not fit the rendering of floats that the first ones fitted: try all, from the beginning."""


class ColumnProfile:
    """What the blocks of one column have shown so far.

    Args:
        token: of the leaf.
        kind: how its staged cells came to be.
        override: the type that the config gives, if it gives one.
        is_canonical: whether only one rendering of a type gives it.
        is_thorough: whether all renderings are tried, not only the first of floats that fits.
    """

    def __init__(
        self,
        token: str,
        kind: ColumnKind,
        override: ColumnType | None = None,
        *,
        is_canonical: bool = False,
        is_thorough: bool = False,
    ) -> None:
        self.token, self.kind, self.override = token, kind, override
        self._types: list[StagedCast] = [override] if override else list(_types_of(kind))
        self._is_canonical, self._is_thorough = is_canonical, is_thorough
        self._has_decimal_comma = False
        self._has_left_out = False
        if is_canonical and not override:
            self._types = [name for name in _CANONICAL.get(kind, self._types) if ":" not in name and name != "decimal"]
        self._bounds: dict[StagedCast, Bounds | None] = {}
        self._form = ""
        self._forms: list[str] = []
        self._has_left_out_forms = False
        self._n_nulls = 0
        self._n_rows = 0
        self._has_values = False

    def add(self, cells: pa.Array) -> None:
        """Take in the next cells of the column.

        Raises:
            UncastableCell: if a cell does not fit the type that the config gives.
            Unsettled: if the file is to be read again, thoroughly.
        """
        start, self._n_rows = self._n_rows, self._n_rows + len(cells)
        n_nulls = cells.null_count
        self._n_nulls += n_nulls
        if n_nulls == len(cells):
            return
        if self.override:
            self._add_override(cells, start, self.override)
        else:
            self._add_inferred(cells.drop_null() if n_nulls else cells)
        self._has_values = True

    def finish(self) -> ColumnScan:
        """The column's part of the scan."""
        if not self._has_decimal_comma:
            # what stands behind the commas may be the next three digits
            self._types = [name for name in self._types if not name.endswith(COMMA)]
        candidates = {type_: self._bounds.get(type_) for type_ in self._types} if self._has_values else {}
        return ColumnScan(
            self.token,
            self.kind,
            self._n_nulls,
            candidates,
            self._form if "timestamp" in candidates else "",
            self.override,
            self._has_values,
        )

    def _add_override(self, cells: pa.Array, start: int, type_: ColumnType) -> None:
        try:
            values = cast_staged(cells, type_)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            row = _first_uncastable(cells, type_)
            raise UncastableCell(self.token, start + row, cells[row].as_py(), type_) from None
        self._widen(type_, bounds_of(values))

    def _add_inferred(self, cells: pa.Array) -> None:
        if not self._has_values and pa.types.is_string(cells.type):
            self._begin(cells[0].as_py())
        if not pa.types.is_string(cells.type):
            self._add_typed(cells)
            return
        ints: Bounds | None = None
        has_float = False
        for type_ in list(self._types):
            if has_float and not self._is_thorough and _is_real(type_):
                # one rendering of floats will do, unless it fits later cells no more
                self._types.remove(type_)
                self._has_left_out = True
                continue
            if type_ == "float64" and _is_safe(ints):
                has_float = True
                self._widen(type_, _as_float(ints))
                continue
            name, values = self._parsed(cells, type_)
            if values is None:
                self._remove(type_)
                continue
            bounds = bounds_of(values)
            ints = bounds if type_ == "int64" else ints
            has_float |= pa.types.is_floating(values.type)
            self._widen(name, bounds)
        if not self._has_decimal_comma and any(name.endswith(COMMA) for name in self._types):
            self._has_decimal_comma = has_decimal_comma(cells)

    def _remove(self, type_: StagedCast) -> None:
        self._types.remove(type_)
        if self._has_left_out and _is_real(type_):
            raise Unsettled

    def _begin(self, cell: str) -> None:
        """What the first cell says of forms that the others must have."""
        if "timestamp" in self._types:
            # fractions of one length, or as some write them, without zeros at their ends, the simplest first
            forms = [form for form in timestamp_forms(cell) if not self._is_canonical or is_plain_form(form)]
            # local times are rare, and cost the most
            self._forms = [form for form in forms if self._is_thorough or "@" not in form]
            self._has_left_out_forms = len(self._forms) < len(forms)
        if "decimal" in self._types:
            place = self._types.index("decimal")
            name = decimal_rendering(cell)
            # digits alone in quotes are an id
            is_one = name and not (self.kind == "string" and name == "decimal:0")
            self._types[place : place + 1] = [name] if is_one else []

    def _parsed(self, cells: pa.Array, type_: StagedCast) -> tuple[StagedCast, pa.Array | None]:
        if type_ == "timestamp":
            self._forms = [form for form in self._forms if has_form(cells, form)]
            if not self._forms and self._has_left_out_forms:
                raise Unsettled
            self._form = self._forms[0] if self._forms else ""
        values = parse_canonical(cells, type_, self._form)
        if values is not None or not type_.startswith("decimal:") or type_.endswith(("w", COMMA)):
            return type_, values
        # decimals of more than 38 digits, which the earlier blocks fit into as well
        wide = f"{type_}w"
        values = parse_canonical(cells, wide)
        if values is not None:
            self._types[self._types.index(type_)] = wide
            if type_ in self._bounds:
                self._bounds[wide] = self._bounds.pop(type_)
        return wide, values

    def _add_typed(self, values: pa.Array) -> None:
        """Cells that JSON has typed; an int column may be merged with a float one when each int survives that."""
        bounds = bounds_of(values) if self._types else None
        if "float64" in self._types and self.kind == "int" and not survives_as_float(values):
            self._types.remove("float64")
        for type_ in self._types:
            self._widen(type_, _as_float(bounds) if type_ == "float64" else bounds)

    def _widen(self, type_: StagedCast, bounds: Bounds | None) -> None:
        """Take the bounds of another block in; bounds once unknown stay so."""
        if type_ not in self._bounds:
            self._bounds[type_] = bounds
            return
        known = self._bounds[type_]
        self._bounds[type_] = known.merge(bounds) if known and bounds else None


def bounds_of(values: pa.Array) -> Bounds | None:
    """Bounds of values that are not all null; NaN counts for nothing, None if there is nothing else."""
    if pa.types.is_floating(values.type):
        values = values.filter(pc.invert(pc.is_nan(values)))
    found = pc.min_max(values).as_py()
    low, high = found["min"], found["max"]
    if low is None:
        return None
    if not isinstance(low, str) or (len(low) <= MAX_BOUND_LENGTH and len(high) <= MAX_BOUND_LENGTH):
        return Bounds(low, high)
    cut_low, cut_high = low[:MAX_BOUND_LENGTH], high[:MAX_BOUND_LENGTH]
    return Bounds(cut_low, cut_high, cut_low != low, cut_high != high)


def _is_real(name: StagedCast) -> bool:
    """Whether a rendering is of floats or decimals."""
    return name == "float64" or name.startswith(("float:", "decimal"))


_CANONICAL: dict[ColumnKind, list[StagedCast]] = {"number_text": ["string"], "string": ["string"]}


def _types_of(kind: ColumnKind) -> Iterable[StagedCast]:
    """The types that a column of this kind can have."""
    of_json: dict[ColumnKind, tuple[StagedCast, ...]] = {
        "bool": ("bool",),
        "int": ("int64", "float64"),
        "float": ("float64",),
        "number_text": ("float64", *FLOATS, "decimal", "string"),
        "string": ("decimal", "date", *DATES, "timestamp", "string"),
        "json": ("string",),
    }
    return CANDIDATE_TYPES if kind == "csv" else of_json.get(kind, ())


def _is_safe(bounds: Bounds | None) -> bool:
    return (
        bounds is not None
        and isinstance(bounds.minimum, int)
        and isinstance(bounds.maximum, int)
        and bounds.minimum >= -MAX_SAFE_INTEGER
        and bounds.maximum <= MAX_SAFE_INTEGER
    )


def _as_float(bounds: Bounds | None) -> Bounds | None:
    """Bounds of ints that all survive as floats, as floats."""
    return bounds and Bounds(float(bounds.minimum), float(bounds.maximum))  # type: ignore[arg-type] # they are ints


def _first_uncastable(cells: pa.Array, type_: ColumnType) -> int:
    """Position of the first cell that does not cast, by halving."""
    start, stop = 0, len(cells)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            cast_staged(cells.slice(start, middle - start), type_)
            start = middle
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            stop = middle
    return start

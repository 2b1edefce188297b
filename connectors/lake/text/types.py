"""Types of text cells: which values survive the round trip through a type, and the casts that later reads do.

A type fits a column only where every cell is the one canonical rendering of its value, so that nothing is lost by
typing it: `00501`, `1.0`, `1e5`, `-0` and ` 1` stay text. All of it works on whole arrays.
"""

import re
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.text.json_text import json_texts
from lakebed.connectors.lake.text.model import StagedCast
from lakebed.connectors.lake.text.renderings import (
    BOOLS,
    DATES,
    FLOATS,
    FLOATS_WITH_COMMA,
    MIN_DAY,
    cast_rendered,
    parse_days,
    parse_rendered,
    rendered_type,
    significant_digits,
)
from lakebed.connectors.lake.type_text import column_type

# preferred first: a column of 0 and 1 is int64, not float64
CANDIDATE_TYPES: tuple[StagedCast, ...] = (
    *("bool", *BOOLS, "int64", "float64", *FLOATS, *FLOATS_WITH_COMMA, "decimal", "date", *DATES, "timestamp"),
    "string",
)

MAX_SAFE_INTEGER = 2**53

_DECIMAL_SHAPE = r"^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$"
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T])[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.([0-9]{1,6}|[0-9]{6}000))?)?"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?| UTC)?"
)
# forms that need nothing but a separator, a number of digits and a Z to be written, by these three
PLAIN_FORM = re.compile(
    r"\^\[0-9\]\{4\}-\[0-9\]\{2\}-\[0-9\]\{2\}([ T])\[0-9\]\{2\}:\[0-9\]\{2\}"
    r"(:\[0-9\]\{2\}(?:\\\.\[0-9\]\{([1-6])\})?)?(Z?)\$"
)
_ZONE = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?| UTC)$"
Fractions = Literal["fixed", "trimmed", "grouped"]
# where DuckDB and others leave zeros at the end of fractions out, and whole seconds without one
_FRACTIONS: dict[str, str] = {
    "trimmed": r"(?:\.[0-9]{0,5}[1-9])?",
    "grouped": r"(?:\.(?:[0-9]{3})?(?:[0-9]{2}[1-9]|[0-9][1-9]0|[1-9]00))?",
}
# a column of local times has two offsets a year, which some zone of these must explain
_ZONES = (
    *("Europe/London", "Europe/Berlin", "Europe/Athens", "Europe/Moscow", "Europe/Istanbul", "Asia/Jerusalem"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Anchorage"),
    *("America/Halifax", "America/St_Johns", "America/Sao_Paulo", "America/Santiago", "America/Mexico_City"),
    *("Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland", "Africa/Cairo", "Africa/Casablanca", "Asia/Tehran"),
)
_OFFSET = re.compile(r"[+-][0-9]{2}(:?)([0-9]{2})?")
_MIN_MICROSECOND = MIN_DAY * 86_400_000_000


def parse_canonical(cells: pa.Array, type_: StagedCast, form: str = "") -> pa.Array | None:
    """The values of text cells, or None if any cell is not the canonical rendering of a value of that type.

    Args:
        cells: strings without nulls.
        type_: to try.
        form: of timestamps: the form (see `timestamp_form`) that every cell must have.
    """
    if type_ == "string":
        return cells
    # Arrow's casts go on after a cell that does not parse and word an error for each: try a few cells first
    for n_cells in (1, 64, 4096, len(cells)):
        values = _parse(cells.slice(0, n_cells), type_, form)
        if values is None or n_cells >= len(cells):
            return values
    return None


def _parse(cells: pa.Array, type_: StagedCast, form: str) -> pa.Array | None:
    try:
        return parse_rendered(cells, type_) if ":" in type_ else _PARSERS[type_](cells, form)
    except pa.ArrowInvalid:
        return None


def timestamp_form(cell: str, fractions: Fractions = "fixed") -> str:
    """The form of a timestamp as a regular expression that its peers match; "" if it is none.

    The form fixes the separator (space or T), seconds, the number of fraction digits (0 to 6, or 9 of which the last
    three are zeros) and what zone follows: none, Z, UTC or an offset.

    Args:
        cell: the text.
        fractions: whether all have as many digits as this one; or lack zeros at their ends, and so have from 0 to 6;
            or lack groups of three zeros there, as Java and Polars write them.
    """
    match = _TIMESTAMP.fullmatch(cell)
    if match is None or (fractions != "fixed" and cell.count(":") < 2):
        return ""
    digits = "[0-9]{4}-[0-9]{2}-[0-9]{2}" + match[1] + "[0-9]{2}:[0-9]{2}"
    seconds = ":[0-9]{2}" if re.match(r".{16}:", cell) else ""
    fraction = _FRACTIONS.get(fractions) or _fraction(match[2] or "")
    return f"^{digits}{seconds}{fraction}{re.escape(match[3] or '')}$"


def timestamp_forms(cell: str) -> list[str]:
    """The forms that a column of timestamps may have whose first cell is this one, the simplest first.

    Behind those of one offset come those of a named zone, whose offsets change: a form, `@`, and the zone.
    """
    forms = [form for fractions in get_args(Fractions) if (form := timestamp_form(cell, fractions))]
    match = _TIMESTAMP.fullmatch(cell)
    offset = match and match[3] and _OFFSET.fullmatch(match[3])
    if not offset:
        return forms
    shape = rf"[+-][0-9]{{2}}{offset[1]}" + ("[0-9]{2}" if offset[2] else "")
    local = [form.removesuffix(f"{re.escape(offset[0])}$") + f"{shape}$" for form in forms]
    return [*forms, *(f"{form}@{zone}" for zone in _ZONES for form in local)]


def has_form(cells: pa.Array, form: str) -> bool:
    """Whether every cell is of a form of timestamps; of a named zone also by its offset."""
    pattern, _, zone = form.partition("@")
    if not pc.all(pc.match_substring_regex(cells, pattern), min_count=0).as_py():
        return False
    # most zones are out with the first cells
    return not zone or all(_are_local(cells.slice(0, n_cells), zone) for n_cells in (64, len(cells)))


def _are_local(cells: pa.Array, zone: str) -> bool:
    """Whether each cell has the offset that the zone had then."""
    try:
        told = pc.cast(pc.replace_substring_regex(cells, _ZONE, ""), pa.timestamp("us"))
        due = pc.local_timestamp(pc.cast(_instants(cells), pa.timestamp("us", zone)))
    except pa.ArrowInvalid:
        return False
    return bool(told.equals(due))


def is_plain_form(form: str) -> bool:
    """Whether a form has no zone but Z, and fractions of one length up to six digits."""
    return bool(PLAIN_FORM.fullmatch(form))


def _fraction(digits: str) -> str:
    if len(digits) == 9:
        return r"\.[0-9]{6}000"
    return rf"\.[0-9]{{{len(digits)}}}" if digits else ""


def cast_staged(array: pa.Array, resolved: StagedCast) -> pa.Array:
    """Staged cells as values of the resolved type; exact for every type that a scan lists as a candidate.

    Args:
        array: one leaf of a staged file.
        resolved: a column type, `json` for canonical JSON text, or "" to leave the cells as they are.

    Raises:
        pyarrow.ArrowInvalid: if a cell is no value of that type, which can only be where the config gives the type.
    """
    if not resolved:
        return array
    if resolved == "json":
        return json_texts(array)
    type_ = cast_type(resolved)
    if array.type == type_:
        return array
    if pa.types.is_string(array.type):
        return cast_rendered(array, resolved) if ":" in resolved else _cast_trimmed(array, resolved, type_)
    is_float_text = pa.types.is_floating(array.type) and resolved == "string"
    return float_texts(array) if is_float_text else pc.cast(array, type_)


def cast_type(name: StagedCast) -> pa.DataType:
    """The Arrow type of a column type or of a rendering."""
    return rendered_type(name) or column_type(name)


def float_texts(values: pa.Array) -> pa.Array:
    """The canonical rendering of each float: shortest digits, no exponent, no trailing zero."""
    texts = pc.cast(values, pa.string())
    has_exponent = pc.match_substring(texts, "e")
    if not pc.any(has_exponent).as_py():
        return texts
    rare = [np.format_float_positional(value, trim="-") for value in values.filter(has_exponent).to_numpy()]
    return pc.replace_with_mask(texts, has_exponent.fill_null(False), pa.array(rare, pa.string()))


def survives_as_float(values: pa.Array) -> bool:
    """Whether every int64 is a float64 that renders back to the same digits."""
    bounds = pc.min_max(values).as_py()
    if bounds["min"] is None or (bounds["min"] >= -MAX_SAFE_INTEGER and bounds["max"] <= MAX_SAFE_INTEGER):
        return True
    return parse_canonical(pc.cast(values.drop_null(), pa.string()), "float64") is not None


def _cast_trimmed(array: pa.Array, name: StagedCast, type_: pa.DataType) -> pa.Array:
    try:
        return _cast_text(array, name, type_)
    except pa.ArrowInvalid:
        return _cast_text(pc.utf8_trim_whitespace(array), name, type_)


def _cast_text(array: pa.Array, name: StagedCast, type_: pa.DataType) -> pa.Array:
    if name != "timestamp":
        return pc.cast(array, type_)
    try:
        return pc.cast(array, type_)
    except pa.ArrowInvalid:
        return pc.cast(_instants(array), type_)


def _instants(array: pa.Array) -> pa.Array:
    """Timestamps of any form as instants in microseconds; without a zone as if UTC."""
    texts = pc.replace_substring_regex(array, r"(\.[0-9]{6})000", r"\1")
    texts = pc.replace_substring(texts, " UTC", "Z")
    has_zone = pc.match_substring_regex(texts, _ZONE)
    if not pc.any(has_zone, min_count=0).as_py():
        return pc.cast(texts, pa.timestamp("us"))
    return pc.cast(texts, pa.timestamp("us", "UTC"))


def _parse_bool(cells: pa.Array, _form: str) -> pa.Array | None:
    is_true = pc.equal(cells, "true")
    return is_true if pc.all(pc.or_(is_true, pc.equal(cells, "false"))).as_py() else None


def _parse_int(cells: pa.Array, _form: str) -> pa.Array | None:
    values = pc.cast(cells, pa.int64())
    return values if pc.cast(values, pa.string()).equals(cells) else None


def _parse_float(cells: pa.Array, _form: str) -> pa.Array | None:
    values = pc.cast(cells, pa.float64())
    if not pc.all(pc.is_finite(values)).as_py() or pc.any(pc.equal(cells, "-0")).as_py():
        return None
    rendered = pc.cast(values, pa.string())
    is_other = pc.not_equal(rendered, cells)
    if not pc.any(is_other).as_py():
        has_exponent = pc.match_substring(cells, "e")
        return None if pc.any(has_exponent).as_py() else values
    return values if _is_positional(cells, rendered, is_other) else None


def _is_positional(cells: pa.Array, rendered: pa.Array, is_other: pa.Array) -> bool:
    """Whether cells that Arrow renders with an exponent are the same shortest digits, written without one.

    The same digits that parse to the same float have the same exponent, so comparing the digits is enough.
    """
    if pc.any(pc.match_substring(pc.filter(cells, pc.invert(is_other)), "e")).as_py():
        return False
    cells, rendered = cells.filter(is_other), rendered.filter(is_other)
    if not pc.all(pc.match_substring_regex(cells, _DECIMAL_SHAPE)).as_py():
        return False
    return bool(significant_digits(cells).equals(significant_digits(rendered)))


def _parse_date(cells: pa.Array, _form: str) -> pa.Array | None:
    # Arrow parses no other text of ten bytes as a date
    if pc.any(pc.not_equal(pc.binary_length(cells), 10)).as_py():
        return None
    return parse_days(cells)


def _parse_timestamp(cells: pa.Array, form: str) -> pa.Array | None:
    if not form or not has_form(cells, form):
        return None
    values = _instants(cells).cast(pa.timestamp("us"))
    return values if pc.min(values.cast(pa.int64())).as_py() >= _MIN_MICROSECOND else None


_PARSERS: dict[StagedCast, Callable[[pa.Array, str], pa.Array | None]] = {
    "bool": _parse_bool,
    "int64": _parse_int,
    "float64": _parse_float,
    "date": _parse_date,
    "timestamp": _parse_timestamp,
}

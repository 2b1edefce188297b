"""Renderings: the ways in which writers turn a column's values into text, each of which can be written again exactly.

A column of text gets a type only where one rendering writes every one of its cells byte for byte, so nothing is lost:
`00501`, or `1.0` beside `1.10`, stay text.

| name | writes | as |
|---|---|---|
| `bool:True`, `bool:TRUE` | `True`, `False`; `TRUE`, `FALSE` | pandas; R, Excel |
| `float:python` | `1.0`, `1e-07`, `1e+16`, `nan`, `inf` | Python, pandas, DuckDB |
| `float:rust` | `1.0`, `1e-7`, `1e16`, `NaN`, `inf` | Rust's ryu, older Polars, DuckDB's JSON |
| `float:polars` | `1.0`, `1e-7`, `1e+16`, `NaN`, `inf` | Polars 2 |
| `float:plain` | `1.0`, `0.0000001` | pandas' JSON, printf |
| `float:java` | `1.0`, `1.0E-7`, `1.0E10`, `NaN`, `Infinity` | Java, Spark |
| `float:js` | `1`, `1e-7`, `1e+21` | JavaScript, Arrow |
| `decimal:2` | `1.50` | decimals of a scale, and for `decimal:0` integers beyond 64 bits |
| `decimal:2:comma` | `1,50` | the same with a decimal comma; also for floats of Python, Polars and JavaScript |
| `date:dd.mm.yyyy`, `date:yyyy/mm/dd` | `31.12.2024`, `2024/12/31` | days of which no part can be taken for another |

A column has decimal commas only where one of them cannot stand before thousands: `1,5` or `0,234`, and not `1,234`.

All of it works on whole arrays. A float's digits are the shortest that tell it from its neighbours.
"""

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_MAX_DIGITS, _MAX_WIDE_DIGITS = 38, 76
_POINT = r"-?(?:0|[1-9][0-9]*)\.(?:[0-9]*[1-9]|0)"
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)([.,])([0-9]+)")
_THOUSANDS = r"^-?[1-9][0-9]{0,2}(,[0-9]{3})+$"
_LONG_INTEGER = re.compile(r"-?[1-9][0-9]{18,75}")


@dataclass(frozen=True)
class FloatStyle:
    """How one language prints floats.

    Attributes:
        low, high: absolute values from which and below which there is no exponent.
        plain, exponent: patterns of cells without and with one.
        words: for what is no number, and for infinity.
    """

    low: float
    high: float
    plain: str
    exponent: str
    words: tuple[str, ...]


FLOAT_STYLES = {
    "float:python": FloatStyle(
        1e-4, 1e16, _POINT, r"-?[1-9](?:\.[0-9]*[1-9])?e(?:-0[5-9]|[+-][1-9][0-9]{1,2})", ("nan", "inf", "-inf")
    ),
    "float:rust": FloatStyle(
        1e-5, 1e16, _POINT, r"-?[1-9](?:\.[0-9]*[1-9])?e-?[1-9][0-9]{0,2}", ("NaN", "inf", "-inf")
    ),
    "float:polars": FloatStyle(
        1e-5, 1e16, _POINT, r"-?[1-9](?:\.[0-9]*[1-9])?e(?:-[1-9][0-9]{0,2}|\+[1-9][0-9]{1,2})", ("NaN", "inf", "-inf")
    ),
    "float:plain": FloatStyle(0.0, float("inf"), _POINT, "", ()),
    "float:java": FloatStyle(
        1e-3, 1e7, _POINT, r"-?[1-9]\.(?:[0-9]*[1-9]|0)E-?[1-9][0-9]{0,2}", ("NaN", "Infinity", "-Infinity")
    ),
}
_WRITTEN_SCALE = 6
MIN_DAY = -719162
"""0001-01-01, the first day that Python's dates have."""
FLOATS = (*FLOAT_STYLES, "float:js")
COMMA = ":comma"
FLOATS_WITH_COMMA = tuple(f"{name}{COMMA}" for name in ("float:python", "float:polars", "float:js"))
# pattern of the cells, replacement that gives the canonical text, and the form by which they are written again
_DATES = {
    "date:dd.mm.yyyy": (r"^([0-9]{2})\.([0-9]{2})\.([0-9]{4})$", r"\3-\2-\1", "%d.%m.%Y"),
    "date:yyyy/mm/dd": (r"^([0-9]{4})/([0-9]{2})/([0-9]{2})$", r"\1-\2-\3", "%Y/%m/%d"),
}
DATES = tuple(_DATES)
BOOLS = {"bool:True": ("True", "False"), "bool:TRUE": ("TRUE", "FALSE")}


def decimal_rendering(cell: str) -> str:
    """The decimal rendering that a column may have whose first cell is this one; empty if none."""
    if match := _DECIMAL.fullmatch(cell):
        mark = COMMA if match[1] == "," else ""
        return f"decimal:{len(match[2])}{mark}" if len(cell) <= _MAX_WIDE_DIGITS else ""
    return "decimal:0" if _LONG_INTEGER.fullmatch(cell) else ""


def has_decimal_comma(cells: pa.Array) -> bool:
    """Whether some text cell has a comma that parts no thousands."""
    others = pc.invert(pc.match_substring_regex(cells, _THOUSANDS))
    return bool(pc.any(pc.and_(others, pc.match_substring(cells, ",")), min_count=0).as_py())


def rendered_type(name: str) -> pa.DataType | None:
    """The Arrow type of the values behind a rendering; None for a name that is none."""
    kind, _, detail = name.removesuffix(COMMA).partition(":")
    if kind == "decimal":
        scale = int(detail.rstrip("w"))
        return pa.decimal256(_MAX_WIDE_DIGITS, scale) if detail.endswith("w") else pa.decimal128(_MAX_DIGITS, scale)
    return {"bool": pa.bool_(), "float": pa.float64(), "date": pa.date32()}.get(kind) if detail else None


def parse_rendered(cells: pa.Array, name: str) -> pa.Array | None:
    """The values of text cells, or None if any of them is not what the rendering writes.

    Args:
        cells: strings without nulls.
        name: of the rendering.

    Raises:
        pyarrow.ArrowInvalid: if a cell is no value of the type.
    """
    if name.endswith(COMMA):
        has_point = pc.any(pc.match_substring(cells, "."), min_count=0).as_py()
        return None if has_point else parse_rendered(_with_point(cells), name.removesuffix(COMMA))
    parse = {"bool": _parse_bool, "date": _parse_date, "decimal": _parse_decimal, "float": _parse_float}
    return parse[name.partition(":")[0]](cells, name)


def cast_rendered(cells: pa.Array, name: str) -> pa.Array:
    """Text cells, each of which the rendering writes, as values."""
    if name in BOOLS:
        return pc.equal(cells, BOOLS[name][0])
    if name in _DATES:
        return pc.cast(_canonical_days(cells, name), pa.date32())
    return pc.cast(_with_point(cells) if name.endswith(COMMA) else cells, rendered_type(name))


def render(values: pa.Array, name: str) -> pa.Array | None:
    """Values as the rendering writes them, null as null; None for a rendering that is read and not written."""
    kind = name.partition(":")[0]
    texts: pa.Array | None = None
    if kind == "bool":
        texts = pc.if_else(values, *BOOLS[name])
    elif kind == "date":
        texts = pc.strftime(values, format=_DATES[name][2])
    elif kind == "decimal":
        # beyond this scale Arrow writes small decimals with an exponent
        texts = pc.cast(values, pa.string()) if values.type.scale <= _WRITTEN_SCALE else None
    elif name.removesuffix(COMMA) == "float:js":
        texts = pc.cast(values, pa.string())
    elif name.removesuffix(COMMA) == "float:python":
        texts = pa.array(values.fill_null(0.0).to_numpy(zero_copy_only=False).astype("U32"), pa.string())
        texts = pc.if_else(values.is_valid(), texts, pa.scalar(None, pa.string()))
    return pc.replace_substring(texts, ".", ",") if texts is not None and name.endswith(COMMA) else texts


def _parse_bool(cells: pa.Array, name: str) -> pa.Array | None:
    true, false = BOOLS[name]
    is_true = pc.equal(cells, true)
    return is_true if pc.all(pc.or_(is_true, pc.equal(cells, false))).as_py() else None


def _parse_float(cells: pa.Array, name: str) -> pa.Array | None:
    values = pc.cast(cells, pa.float64())
    if name == "float:js":
        return values if pc.cast(values, pa.string()).equals(cells) and _are_finite(values) else None
    return values if _is_styled(cells, values, FLOAT_STYLES[name]) else None


def parse_days(cells: pa.Array) -> pa.Array | None:
    """Days as `2024-12-31`, of which there is at least one, as dates; None if one is before Python's first.

    Raises:
        pyarrow.ArrowInvalid: if a cell is no day.
    """
    values = pc.cast(cells, pa.date32())
    return values if pc.min(values.cast(pa.int32())).as_py() >= MIN_DAY else None


def _with_point(cells: pa.Array) -> pa.Array:
    return pc.replace_substring(cells, ",", ".")


def _canonical_days(cells: pa.Array, name: str) -> pa.Array:
    pattern, replacement, _ = _DATES[name]
    return pc.replace_substring_regex(cells, pattern, replacement)


def _parse_date(cells: pa.Array, name: str) -> pa.Array | None:
    if not pc.all(pc.match_substring_regex(cells, _DATES[name][0])).as_py():
        return None
    return parse_days(_canonical_days(cells, name))


def _parse_decimal(cells: pa.Array, name: str) -> pa.Array | None:
    type_ = rendered_type(name)
    scale, precision = (type_.scale, type_.precision) if type_ is not None else (0, 0)
    # Arrow's cast wraps, without a word, what has more digits than the type
    whole = rf"[1-9][0-9]{{0,{max(0, precision - scale - 1)}}}"
    pattern = rf"^-?(?:0|{whole})\.[0-9]{{{scale}}}$" if scale else rf"^(?:0|-?{whole})$"
    if not pc.all(pc.match_substring_regex(cells, pattern)).as_py():
        return None
    values = pc.cast(cells, type_)
    # a decimal has no negative zero
    is_zero = pc.and_(pc.starts_with(cells, "-0"), pc.equal(values, pa.scalar(0, type_)))
    return None if pc.any(is_zero).as_py() else values


def _are_finite(values: pa.Array) -> bool:
    return bool(pc.all(pc.is_finite(values), min_count=0).as_py())


def _is_styled(cells: pa.Array, values: pa.Array, style: FloatStyle) -> bool:
    """Whether a style writes each value as its cell has it."""
    if not _are_finite(values):
        is_word = pc.invert(pc.is_finite(values))
        if not pc.all(pc.is_in(cells.filter(is_word), value_set=pa.array(style.words, pa.string()))).as_py():
            return False
        kept = pc.invert(is_word)
        cells, values = cells.filter(kept), values.filter(kept)
    size = pc.abs(values)
    is_plain = pc.or_(pc.equal(size, 0.0), pc.and_(pc.greater_equal(size, style.low), pc.less(size, style.high)))
    rendered = pc.cast(values, pa.string())
    # most cells are as Arrow writes them, which is quick to see
    is_easy = pc.and_(pc.equal(rendered, cells), pc.and_(is_plain, pc.match_substring(cells, ".")))
    is_left = pc.or_(pc.invert(is_easy), pc.match_substring(cells, "e"))
    if not pc.any(is_left, min_count=0).as_py():
        return True
    cells, is_plain, rendered = cells.filter(is_left), is_plain.filter(is_left), rendered.filter(is_left)
    has_shape = pc.if_else(
        is_plain,
        pc.match_substring_regex(cells, f"^{style.plain}$"),
        pc.match_substring_regex(cells, f"^{style.exponent}$"),
    )
    if not pc.all(has_shape, min_count=0).as_py():
        return False
    # the same digits that parse to the same float stand at the same place
    return bool(significant_digits(cells).equals(significant_digits(rendered)))


def significant_digits(texts: pa.Array) -> pa.Array:
    """The significant digits of numbers as text."""
    mantissas = pc.replace_substring_regex(texts, "[eE].*$", "")
    return pc.ascii_trim(pc.replace_substring_regex(mantissas, "[-.]", ""), "0")

"""How types of SQL Server are compared: what is asked of the server for a column, and what its cells become."""

from dataclasses import dataclass

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.direct import DirectColumn

# expression of a cell, and what its text or bytes become; CONVERT numbers the ways to write a value: floats with all 17
# digits (3), days and moments by ISO 8601 (23, 126)
_WHOLE = {"tinyint": pa.uint8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(), "bit": pa.bool_()}
_TEXTS = ("char", "varchar", "text", "nchar", "nvarchar", "ntext", "xml", "json")
_BYTES = ("binary", "varbinary", "image", "timestamp")
_MOMENT = ("CONVERT(varchar(33), {}, 126)", pa.timestamp("us"))
_UTC = "CONVERT(datetime2({0}), SWITCHOFFSET({1}, '+00:00'))"
_PLAIN: dict[str, tuple[str, pa.DataType]] = {
    **{kind: ("CONVERT(varchar(20), {})", type_) for kind, type_ in _WHOLE.items()},
    **dict.fromkeys(_TEXTS, ("CONVERT(nvarchar(max), {})", pa.string())),
    **dict.fromkeys(_BYTES, ("CONVERT(varbinary(max), {})", pa.binary())),
    "money": ("CONVERT(varchar(41), CONVERT(decimal(19, 4), {}))", pa.decimal128(19, 4)),
    "smallmoney": ("CONVERT(varchar(41), CONVERT(decimal(10, 4), {}))", pa.decimal128(10, 4)),
    "float": ("CONVERT(varchar(40), {}, 3)", pa.float64()),
    "real": ("CONVERT(varchar(40), CONVERT(float, {}), 3)", pa.float32()),
    # others write its letters small
    "uniqueidentifier": ("LOWER(CONVERT(char(36), {}))", pa.string()),
    "date": ("CONVERT(varchar(10), {}, 23)", pa.date32()),
    "datetime": _MOMENT,
    "smalldatetime": _MOMENT,
}


@dataclass(frozen=True)
class Declared:
    """A column as the catalog of a database has it; a type of a user's own goes by the one that it is made of."""

    name: str
    kind: str
    precision: int
    scale: int
    is_masked: bool = False
    is_encrypted: bool = False


def is_fine(declared: Declared) -> bool:
    """Whether its moments have seven digits, so that nanoseconds are needed, which reach from 1677 to 2262."""
    return declared.kind in ("datetime2", "datetimeoffset") and declared.scale == 7


def extent(declared: Declared) -> str:
    """Two expressions of a fine column, 0 or 1: are there moments beyond nanoseconds, and seventh digits but 0?"""
    moment = (_UTC if declared.kind == "datetimeoffset" else "{1}").format(7, quoted(declared.name))
    is_beyond = f"{moment} < '1677-09-22T00:00:00' OR {moment} >= '2262-04-11T00:00:00'"
    tests = (is_beyond, f"DATEPART(nanosecond, {moment}) % 1000 <> 0")
    return ", ".join(f"MAX(CASE WHEN {test} THEN 1 ELSE 0 END)" for test in tests)


def make_column(declared: Declared, *, is_beyond: bool = False, has_sevenths: bool = True) -> DirectColumn:
    """A column of the catalog.

    Args:
        declared: what the catalog says.
        is_beyond: of a fine column, whether it has moments beyond nanoseconds.
        has_sevenths: of a fine column, whether a seventh digit is not 0; then text holds these moments, else
            microseconds.

    Raises:
        SourceError: if its type cannot be compared, or its values are not shown as they are.
    """
    hidden = "masked, and the user may not UNMASK" if declared.is_masked else "encrypted by its writers"
    if declared.is_masked or declared.is_encrypted:
        raise _refused("the values of a column are not shown", f"{declared.name}: {hidden}")
    cell, type_ = _PLAIN.get(declared.kind) or _scaled(declared, 7 if has_sevenths or not is_beyond else 6)
    note = ""
    if is_beyond and has_sevenths:
        type_, note = pa.string(), f"{declared.name}: as text, for it has seven digits, and moments beyond 1677 to 2262"
    return DirectColumn(declared.name, cell.format(quoted(declared.name)), type_, note)


def _scaled(declared: Declared, most: int) -> tuple[str, pa.DataType]:
    """Of a type with digits behind the point: microseconds, and nanoseconds where there are seven of them.

    Of more than `most` the others are left out.
    """
    if declared.kind in ("decimal", "numeric"):
        return "CONVERT(varchar(41), {})", pa.decimal128(declared.precision, declared.scale)
    scale = min(declared.scale, most)
    unit = "ns" if scale == 7 else "us"
    if declared.kind == "time":
        return "CONVERT(varchar(16), {})", pa.time64(unit)
    if declared.kind == "datetime2":
        cell = "{}" if scale == declared.scale else f"CONVERT(datetime2({scale}), {{}})"
        return _MOMENT[0].format(cell), pa.timestamp(unit)
    if declared.kind == "datetimeoffset":
        return f"{_MOMENT[0]} + 'Z'".format(_UTC.format(scale, "{}")), pa.timestamp(unit, "UTC")
    raise _refused("the type of a column cannot be compared", f"{declared.name}: {declared.kind}")


def quoted(name: str) -> str:
    """A name as SQL of SQL Server has it."""
    return f"[{name.replace(']', ']]')}]"


def _refused(what: str, value: str) -> SourceError:
    return SourceError(what, value=value, hint="leave the table out with `exclude`")

"""How PostgreSQL's types are compared: what is asked of the server for a column, and what its cells become.

| PostgreSQL | here |
|---|---|
| boolean, smallint, integer, bigint, oid, real, double precision, bytea | the same |
| numeric(p, s) | decimal(p, s), up to 76 digits |
| numeric | decimal of the digits that its values need |
| text, varchar, name, "char", citext | string |
| char(n) | string, padded to n as clients receive it |
| date, time | date, time of microseconds |
| timestamp, timestamp with time zone | timestamp of microseconds, without and with UTC |
| uuid, json, jsonb, xml, enums, inet, cidr, macaddr, interval, timetz, bits, ranges | PostgreSQL's text |
| arrays of one dimension of these | list |
| domains | what they are made of |

Anything else makes the table unreadable: leaving a column out would prove what is not so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakebed.connectors.errors import SourceError

MAX_DIGITS = 76

_DIRECT = {
    "bool": "bool", "int2": "int16", "int4": "int32", "int8": "int64", "float4": "float", "float8": "double",
    "bytea": "binary",
}  # fmt: skip
_PARSED = {"date": "date32[day]", "time": "time64[us]", "timestamp": "timestamp[us]"}
_TEXTS = frozenset({"text", "varchar", "name", "char", "citext"})
_AS_TEXT = frozenset({
    "uuid", "json", "jsonb", "xml", "cidr", "macaddr", "macaddr8", "interval", "timetz", "bit", "varbit",
    "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange",
})  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: of the column.
        sql: expression over the table `t` that gives its cells.
        sent: Arrow type in which cells arrive; "string" where they are text that is parsed.
        type: Arrow type of the cells, as text; "" of a numeric whose digits are not known before it is read.
        is_list: whether cells are JSON arrays of such texts.
    """

    name: str
    sql: str
    sent: str
    type: str
    is_list: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the server must be asked for the digits of its values."""
        return not self.type


@dataclass(frozen=True)
class Types:
    """The server's types by number: name, kind, base of a domain with its modifier, element of an array."""

    rows: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def resolved(self, number: int, modifier: int) -> tuple[Mapping[str, Any] | None, int]:
        """The type under all domains, with the modifier that holds."""
        found = self.rows.get(number)
        while found is not None and found["kind"] == "d":
            modifier = found["modifier"] if found["modifier"] >= 0 else modifier
            found = self.rows.get(found["base"])
        return found, modifier


def make_column(name: str, number: int, modifier: int, shown: str, types: Types) -> Column:
    """How a column is read.

    Args:
        name: of the column.
        number: of its type.
        modifier: of its type, -1 for none.
        shown: its type as PostgreSQL writes it.
        types: of the server.

    Raises:
        SourceError: if columns of this type are not compared.
    """
    type_, modifier = types.resolved(number, modifier)
    quoted = f"t.{quote(name)}"
    if type_ is not None and type_["category"] == "A" and type_["element"]:
        element, element_modifier = types.resolved(type_["element"], modifier)
        # elements of char(n) would lose their padding
        made = _scalar(name, quoted, element, element_modifier) if element and element["name"] != "bpchar" else None
        if element is not None and made is not None and made.type:
            texts = quoted if element["name"] == "inet" else f"{quoted}::text[]"
            return Column(name, f"array_to_json({texts})::text", "string", made.type, is_list=True)
    elif type_ is not None and (made := _scalar(name, quoted, type_, modifier)) is not None:
        return made
    raise SourceError(
        "a column has a type that is not compared",
        value=f"{name} is {shown}",
        expected="a type that docs/sources.md lists",
        hint="leave the table out with `exclude`, or give a view that casts the column, with `views = true`",
    )


def _scalar(name: str, sql: str, type_: Mapping[str, Any], modifier: int) -> Column | None:
    """A column of a type that is no array; None where the type is not compared."""
    known, text = type_["name"], f"{sql}::text"
    if type_["kind"] == "e":
        return Column(name, text, "string", "string")
    if type_["schema"] != "pg_catalog" and known != "citext":
        return None
    if known in _DIRECT:
        return Column(name, sql, _DIRECT[known], _DIRECT[known])
    made = {
        "oid": (f"{sql}::bigint", "int64", "int64"),
        # four are the header's
        "bpchar": (f"rpad({text}, {modifier - 4})" if modifier > 4 else text, "string", "string"),
        "timestamptz": (f"({sql} AT TIME ZONE 'UTC')::text", "string", "timestamp[us, tz=UTC]"),
        # its cast to text adds the length of the mask
        "inet": (f"textin(inet_out({sql}))", "string", "string"),
        "numeric": (text, "string", _decimal_of(modifier)),
        **{one: (text, "string", "string") for one in (*_TEXTS, *_AS_TEXT)},
        **{one: (text, "string", parsed) for one, parsed in _PARSED.items()},
    }
    return Column(name, *made[known]) if known in made else None


def _decimal_of(modifier: int) -> str:
    """Numeric's modifier: digits in the upper half, the scale in eleven bits with a sign."""
    if modifier < 0:
        return ""
    digits, scale = ((modifier - 4) >> 16) & 0xFFFF, (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    return decimal_text(digits, scale) if 0 <= scale <= digits <= MAX_DIGITS else ""


def decimal_text(digits: int, scale: int) -> str:
    """Arrow's text for a decimal type."""
    return f"decimal{128 if digits <= 38 else 256}({digits}, {scale})"


def quote(name: str) -> str:
    """An identifier as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A string as SQL takes it; standard_conforming_strings is on since 2010."""
    return "'" + text.replace("'", "''") + "'"

"""How types of MariaDB and MySQL are compared: what is asked of the server for a column, and what its cells become."""

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.direct import DirectColumn

_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 32, "int": 32, "bigint": 64}
_WIDTHS = {8: (pa.int8(), pa.uint8()), 16: (pa.int16(), pa.uint16()), 32: (pa.int32(), pa.uint32()),
           64: (pa.int64(), pa.uint64())}  # fmt: skip
_TEXTS = frozenset({
    "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json", "uuid", "inet4", "inet6",
})  # fmt: skip
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_PLAIN = {
    "double": pa.float64(), "float": pa.float32(), "year": pa.int16(), "date": pa.date32(), "time": pa.time64("us"),
    "datetime": pa.timestamp("us"), "timestamp": pa.timestamp("us", "UTC"), **dict.fromkeys(_TEXTS, pa.string()),
    **dict.fromkeys(_BYTES, pa.binary()),
}  # fmt: skip


def make_column(name: str, kind: str, declared: str, digits: tuple[int, int]) -> DirectColumn:
    """A column of the catalog.

    Args:
        name: of it.
        kind: its type without what stands in brackets.
        declared: the type as the table declares it.
        digits: of a decimal, all and those behind the point.

    Raises:
        SourceError: if its type cannot be compared.
    """
    shown = quoted(name)
    if kind in _INTEGERS:
        return DirectColumn(name, shown, _WIDTHS[_INTEGERS[kind]]["unsigned" in declared])
    if kind == "decimal":
        make = pa.decimal128 if digits[0] <= 38 else pa.decimal256
        return DirectColumn(name, shown, make(*digits))
    if kind == "bit":
        return DirectColumn(name, f"CAST({shown} AS UNSIGNED)", pa.bool_() if declared == "bit(1)" else pa.uint64())
    if kind in _PLAIN:
        # the text of a FLOAT has six digits only, that of the same DOUBLE all
        return DirectColumn(name, f"({shown} + 0e0)" if kind == "float" else shown, _PLAIN[kind])
    hint = "leave the table out with `exclude`"
    raise SourceError("the type of a column cannot be compared", value=f"{name}: {declared}", hint=hint)


def quoted(name: str) -> str:
    """A name as SQL of MariaDB has it."""
    return f"`{name.replace('`', '``')}`"

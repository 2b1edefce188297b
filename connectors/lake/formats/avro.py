"""Avro: rows of one schema, which stands at the head of the file.

Temporal types come from the file as the integers that they are, so that no nanosecond and no year beyond 9999 is lost.
A union of null and one type is that type; of integers, or of floats, the widest. Other unions, and types that hold
themselves, have no columns, and are refused.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, BinaryIO, cast

import fastavro
import fastavro.read
import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import cut_rows

BATCH_ROWS = 16_384

_PLAIN = {
    "null": pa.null(), "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(),
    "double": pa.float64(), "bytes": pa.binary(), "string": pa.string(), "enum": pa.string(),
}  # fmt: skip
_TIMES = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    **{("long", f"timestamp-{name}"): pa.timestamp(unit, "UTC") for name, unit in
       (("millis", "ms"), ("micros", "us"), ("nanos", "ns"))},
    **{("long", f"local-timestamp-{name}"): pa.timestamp(unit) for name, unit in
       (("millis", "ms"), ("micros", "us"), ("nanos", "ns"))},
}  # fmt: skip
# of the widths that hold each other
_WIDTHS = ((pa.int32(), pa.int64()), (pa.float32(), pa.float64()))
_MAX_DECIMAL_DIGITS = 76
Schema = str | list[Any] | dict[str, Any]


def read_avro(source: BinaryIO) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema of an Avro file, and its rows in batches.

    Raises:
        SourceError: if it holds something else than records, or a type that has no columns.
        ValueError, EOFError: as fastavro does, of a damaged file.
    """
    with _integers_as_stored():
        blocks = fastavro.block_reader(source)
    types = _Types()
    record = types.of(cast("Schema", blocks.writer_schema))
    if not pa.types.is_struct(record):
        raise SourceError("its Avro schema is no record", value=str(record), expected="records, which are rows")
    schema = pa.schema(list(record))
    return schema, _batches(blocks, schema)


def _batches(blocks: Iterator[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    stored = pa.schema([pa.field(field.name, _stored(field.type)) for field in schema])
    batches = cut_rows(_sized(blocks), BATCH_ROWS)
    while True:
        with _integers_as_stored():
            rows = next(batches, None)
        if rows is None:
            return
        columns = [pa.array([row[field.name] for row in rows], field.type) for field in stored]
        yield pa.RecordBatch.from_arrays(
            [column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
        )


def _sized(blocks: Iterator[Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """The records of all blocks, each with the bytes that it took of its block."""
    for block in blocks:
        start = block.bytes_.tell()
        for record in block:
            end = block.bytes_.tell()
            yield record, end - start
            start = end


@contextmanager
def _integers_as_stored() -> Iterator[None]:
    """Without fastavro's way to Python's times, which end at microseconds and at the year 9999; decimals exact."""
    readers = fastavro.read.LOGICAL_READERS
    before = dict(readers)
    readers.clear()
    readers.update(dict.fromkeys(("bytes-decimal", "fixed-decimal"), _decimal_value))
    try:
        yield
    finally:
        readers.clear()
        readers.update(before)


def _decimal_value(data: bytes, schema: dict[Any, Any] | None = None, _: dict[Any, Any] | None = None) -> Decimal:
    # a decimal's constructor is exact, its arithmetic rounds to 28 digits
    return Decimal(f"{int.from_bytes(data, 'big', signed=True)}E{-int((schema or {}).get('scale', 0))}")


def _stored(type_: pa.DataType) -> pa.DataType:
    """The type of what fastavro gives: times are integers."""
    if pa.types.is_temporal(type_):
        return pa.int32() if type_.bit_width == 32 else pa.int64()
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(child.name, _stored(child.type)) for child in type_])
    if pa.types.is_map(type_):
        return pa.map_(pa.string(), _stored(type_.item_type))
    return pa.list_(_stored(type_.value_type)) if pa.types.is_list(type_) else type_


class _Types:
    """From Avro's types to Arrow's; named types may be used again by their names."""

    def __init__(self) -> None:
        self._named: dict[str, pa.DataType | None] = {}

    def of(self, schema: Schema) -> pa.DataType:
        """The type of a schema.

        Raises:
            SourceError: if it has no columns.
        """
        if isinstance(schema, list):
            return self._union([self.of(one) for one in schema if one != "null"])
        if isinstance(schema, str):
            return self._by_name(schema)
        kind = schema["type"]
        if isinstance(kind, list | dict):
            return self.of(kind)
        return self._complex(kind, schema)

    def _by_name(self, name: str) -> pa.DataType:
        found = _PLAIN.get(name) or self._named.get(name)
        if found is None:
            raise SourceError(
                "its Avro schema has a type that holds itself", value=name, expected="types of finite depth"
            )
        return found

    def _complex(self, kind: str, schema: Mapping[str, Any]) -> pa.DataType:
        if kind == "array":
            return pa.list_(self.of(schema["items"]))
        if kind == "map":
            return pa.map_(pa.string(), self.of(schema["values"]))
        logical = str(schema.get("logicalType", ""))
        if logical == "decimal" and kind in ("bytes", "fixed"):
            found = _decimal(schema)
        elif kind == "record":
            self._named[schema["name"]] = None
            fields = [pa.field(field["name"], self.of(field["type"])) for field in schema["fields"]]
            found = pa.struct(fields)
        elif kind == "fixed":
            found = pa.binary(int(schema["size"]))
        else:
            found = _TIMES.get((kind, logical)) or self._by_name(kind)
        if "name" in schema:
            self._named[schema["name"]] = found
        return found

    @staticmethod
    def _union(members: list[pa.DataType]) -> pa.DataType:
        if not members:
            return pa.null()
        for widths in _WIDTHS:
            if all(member in widths for member in members):
                return max(members, key=lambda member: member.bit_width)
        if len(set(members)) > 1:
            kinds = ", ".join(sorted({str(member) for member in members}))
            raise SourceError("a column holds values of several types", value=kinds, expected="one type, or null")
        return members[0]


def _decimal(schema: Mapping[str, Any]) -> pa.DataType:
    precision, scale = int(schema["precision"]), int(schema.get("scale", 0))
    if precision > _MAX_DECIMAL_DIGITS:
        raise SourceError(
            "a decimal is too wide", value=f"{precision} digits", expected=f"{_MAX_DECIMAL_DIGITS} at most"
        )
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)

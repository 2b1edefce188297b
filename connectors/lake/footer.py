"""What a Parquet footer says of a file's columns beside their values, and files written with such a footer.

Arrow's types do not carry all of it (ENUM, VARIANT, BSON, INTERVAL, names inside of lists, how the schema is
annotated), so schema and key-value metadata are taken from the footer's own bytes, and put into the footers of files
that pyarrow has written. The format: parquet.thrift of Apache Parquet in Thrift's compact protocol.
"""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.batches import open_parquet
from lakebed.connectors.lake.int96 import timestamps

_MAGIC = b"PAR1"
_TAIL_BYTES = 8
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)
# fields of FileMetaData, SchemaElement, KeyValue, RowGroup, ColumnChunk and ColumnMetaData
_SCHEMA, _KEY_VALUES, _ROW_GROUPS, _ENCRYPTION = 2, 5, 4, 8
_TYPE, _LENGTH, _REPETITION, _NAME, _CHILDREN, _CONVERTED, _SCALE, _PRECISION, _FIELD_ID, _LOGICAL = range(1, 11)
_COLUMNS, _META, _PATH, _STATISTICS = 1, 3, 3, 12
_PHYSICAL = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_INTS, _INT96 = (1, 2), 3
_REPETITIONS = ("required", "optional", "repeated")
_LOGICALS = {
    1: "STRING", 2: "MAP", 3: "LIST", 4: "ENUM", 5: "DECIMAL", 6: "DATE", 7: "TIME", 8: "TIMESTAMP", 10: "INTEGER",
    11: "NULL", 12: "JSON", 13: "BSON", 14: "UUID", 15: "FLOAT16", 16: "VARIANT", 17: "GEOMETRY", 18: "GEOGRAPHY",
}  # fmt: skip
_CONVERTEDS = (
    "STRING", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS",
    "TIMESTAMP_MILLIS", "TIMESTAMP_MICROS", "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32",
    "INT_64", "JSON", "BSON", "INTERVAL",
)  # fmt: skip
_UNITS, _UTC = {1: "MILLIS", 2: "MICROS", 3: "NANOS"}, " UTC"
# whole seconds that 64 bits of nanoseconds hold
_MAX_SECONDS = (1 << 63) // 1_000_000_000 - 1
# annotations that leave the order of bytes, or of signed numbers, as it is
_SAME_ORDER = frozenset({"", "STRING", "ENUM", "JSON", "BSON", "UUID", "INT_8", "INT_16", "INT_32", "INT_64"})
# newest first: earlier ones store unsigned integers and nanoseconds otherwise
_VERSIONS = ("2.6", "1.0")

# a value with its type: integers, bytes, a list's (element type, values), or a structure by field number
Value = tuple[int, Any]
Structure = dict[int, Value]


@dataclass(frozen=True)
class ParquetTraits:
    """What a reader of a Parquet file sees of its columns, and what engines keep beside them.

    Attributes:
        schema: base64 of the list of schema elements in Thrift's compact protocol, every annotation as it was written.
        key_values: key-value metadata by key, each byte a character.
    """

    schema: str
    key_values: tuple[tuple[str, str], ...] = ()

    @property
    def elements(self) -> list[Structure]:
        """The schema elements, the root first, each before its children."""
        found: list[Structure] = _Reader(base64.b64decode(self.schema)).value(_LIST)[1]
        return found

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema that a file with this footer has."""
        nothing: Structure = {1: (5, 1), 3: (6, 0), _ROW_GROUPS: (_LIST, (_STRUCT, []))}
        return open_parquet(pa.BufferReader(self.in_file(b"", nothing))).schema_arrow

    @property
    def has_int96(self) -> bool:
        """Whether a column holds timestamps of 96 bits."""
        return any(_get(element, _TYPE) == _INT96 for element in self.elements)

    def differences(self, other: "ParquetTraits") -> list[str]:
        """What another file lacks or has otherwise, for people."""
        mine, theirs = _described(self.elements), _described(other.elements)
        unlike = [path for path, words in mine.items() if theirs.get(path) != words]
        found = [f"{path} is {mine[path]}, not {theirs.get(path, 'there')}" for path in unlike]
        found += [f"{path} is new" for path in sorted(theirs.keys() - mine.keys())]
        keys = {key for key, _ in set(self.key_values) ^ set(other.key_values)}
        found += [f"the metadata {key}" for key in sorted(keys)]
        return found or (["the schema's annotations"] if self != other else [])

    def in_file(self, pages: bytes, footer: Structure) -> bytes:
        """A whole file of these pages, with these traits in its footer."""
        return b"".join((_MAGIC, pages, self.ending(footer)))

    def ending(self, footer: Structure) -> bytes:
        """The end of a file, behind its pages."""
        texts = [[text.encode("latin-1") for text in pair] for pair in self.key_values]
        pairs = [{1: (_BINARY, key), 2: (_BINARY, value)} for key, value in texts]
        changed = {number: value for number, value in footer.items() if number != _KEY_VALUES}
        changed |= {_SCHEMA: (_LIST, (_STRUCT, self.elements))}
        changed |= {_KEY_VALUES: (_LIST, (_STRUCT, pairs))} if pairs else {}
        end = _structure(changed)
        return b"".join((end, len(end).to_bytes(4, "little"), _MAGIC))


def parquet_traits(source: pa.NativeFile) -> ParquetTraits:
    """The traits of an open file; reads its footer only.

    Raises:
        pyarrow.ArrowException, OSError, ValueError: if it is no whole Parquet file.
    """
    metadata = open_parquet(source).metadata
    source.seek(source.size() - _TAIL_BYTES - metadata.serialized_size)
    reader = _Reader(source.read(metadata.serialized_size))
    schema = next(value for number, value in reader.fields() if number == _SCHEMA)
    pairs = [(key.decode("latin-1"), text.decode("latin-1")) for key, text in (metadata.metadata or {}).items()]
    return ParquetTraits(base64.b64encode(_encoded(_LIST, schema[1])).decode(), tuple(sorted(pairs)))


def has_encrypted_columns(tail: bytes) -> str:
    """In words that columns are encrypted, by a file's last bytes; empty if they are not, or it cannot be told."""
    size = int.from_bytes(tail[-_TAIL_BYTES:-4], "little")
    try:
        numbers = [number for number, _ in _Reader(tail[-_TAIL_BYTES - size : -_TAIL_BYTES]).fields()]
    except (ValueError, IndexError):
        return ""
    return "some of its columns are encrypted; lakebed has no keys" if _ENCRYPTION in numbers else ""


def wide_timestamps(source: pa.NativeFile) -> str:
    """The first column with a timestamp of 96 bits that 64 bits of nanoseconds do not hold; empty if there is none.

    Such a value reads as another one, centuries away. Reads these columns only.

    Raises:
        pyarrow.ArrowException, OSError: if the file cannot be read.
    """
    file = open_parquet(source, "s")
    columns = [n for n in range(file.metadata.num_columns) if file.schema.column(n).physical_type == "INT96"]
    for column in columns:
        for batch in file.reader.iter_batches(1 << 16, range(file.num_row_groups), [column], use_threads=False):
            for values in timestamps(batch.column(0)):
                ends = pc.min_max(values.view(pa.int64()))
                if (ends["max"].as_py() or 0) > _MAX_SECONDS or (ends["min"].as_py() or 0) < -_MAX_SECONDS:
                    return str(file.schema.column(column).path)
    return ""


def write_parquet(table: pa.Table, traits: ParquetTraits) -> bytes:
    """A Parquet file of the table with the given traits.

    Args:
        table: with the columns of `traits.arrow_schema`.
        traits: of another file with columns of these types.

    Raises:
        PlanError: naming the column that cannot be written so.
    """
    pages, end = cut_footer(_written(table, writer_options(table.schema, traits)))
    return pages + with_traits(end, traits)


def writer_options(schema: pa.Schema, traits: ParquetTraits) -> dict[str, Any]:
    """The options under which Arrow writes columns of a schema as a footer describes them.

    Raises:
        PlanError: naming the column that cannot be written so.
    """
    wanted = traits.elements
    options = {
        "store_schema": False,
        "store_decimal_as_integer": any(_kind(one) == "DECIMAL" and _get(one, _TYPE) in _INTS for one in wanted),
        "use_deprecated_int96_timestamps": traits.has_int96,
    }
    reasons = []
    for version in _VERSIONS:
        tried = {**options, "version": version}
        _, end = cut_footer(_written(schema.empty_table(), tried))
        if not (reason := _unlike(_Reader(end).value(_STRUCT)[_SCHEMA][1][1], wanted)):
            return tried
        reasons.append(reason)
    raise PlanError("a column cannot be written as it was", value=reasons[0], expected="what Arrow can write")


def cut_footer(data: bytes) -> tuple[bytes, bytes]:
    """The bytes before the footer, and those from it on; of the end of a file, too."""
    size = int.from_bytes(data[-_TAIL_BYTES:-4], "little")
    return data[: -_TAIL_BYTES - size], data[-_TAIL_BYTES - size :]


def with_traits(end: bytes, traits: ParquetTraits) -> bytes:
    """The end of a file, from its footer on, with the given traits; the file was written under `writer_options`."""
    footer = _Reader(end).value(_STRUCT)
    _rename_columns(footer, footer[_SCHEMA][1][1], traits.elements)
    return traits.ending(footer)


def _written(table: pa.Table, options: Mapping[str, Any]) -> bytes:
    pq.write_table(table, sink := io.BytesIO(), **options)
    return sink.getvalue()


def _unlike(written: Sequence[Structure], wanted: Sequence[Structure]) -> str:
    """Where pages of one schema cannot be read under another; empty if they can."""
    names = list(_described(wanted))
    for name, old, new in zip(names, written[1:], wanted[1:], strict=False):
        if _layout(old) != _layout(new):
            return f"{name} is {_words(new)}, and would be {_words(old)}"
    return "" if len(written) == len(wanted) else "the columns are nested otherwise"


def _layout(element: Structure) -> tuple[object, ...]:
    """What decides how bytes are read as values: type, length, repetition, children, unit and scale."""
    has_type, fields = _TYPE in element, (_TYPE, _LENGTH, _REPETITION, _CHILDREN)
    return has_type, *(_get(element, field) for field in fields), _unit(element).removesuffix(_UTC)


def _rename_columns(footer: Structure, written: Sequence[Structure], wanted: Sequence[Structure]) -> None:
    """Gives column chunks their new paths; statistics go where the order of values may be another one."""
    leaves = [
        (path, _kind(old) == _kind(new) or {_kind(old), _kind(new)} <= _SAME_ORDER)
        for path, old, new in zip(_paths(wanted), written, wanted, strict=True)
        if not _get(new, _CHILDREN)
    ]
    for group in footer[_ROW_GROUPS][1][1]:
        for (path, is_same), chunk in zip(leaves, group[_COLUMNS][1][1], strict=True):
            meta = chunk[_META][1]
            meta[_PATH] = (_LIST, (_BINARY, list(path)))
            if not is_same:
                meta.pop(_STATISTICS, None)


def _paths(elements: Sequence[Structure]) -> list[tuple[bytes, ...]]:
    """The path of each element, the root's first and empty."""
    paths: list[tuple[bytes, ...]] = []
    open_groups: list[tuple[tuple[bytes, ...], int]] = []
    for element in elements:
        above, left = open_groups.pop() if open_groups else ((), 1)
        path = (*above, element[_NAME][1]) if paths else ()
        if left > 1:
            open_groups.append((above, left - 1))
        if n_children := _get(element, _CHILDREN):
            open_groups.append((path, n_children))
        paths.append(path)
    return paths


def _described(elements: Sequence[Structure]) -> dict[str, str]:
    """What each column and group but the root is, by its path; a second one of the same path by its number too."""
    found: dict[str, str] = {}
    for number, (path, element) in enumerate(zip(_paths(elements)[1:], elements[1:], strict=True)):
        name = ".".join(part.decode(errors="replace") for part in path)
        found[name if name not in found else f"{name} ({number})"] = _words(element)
    return found


def _get(element: Structure, field: int) -> int:
    number: int = element[field][1] if field in element else 0
    return number


def _words(element: Structure) -> str:
    words = [
        _named(_REPETITIONS, _get(element, _REPETITION)),
        _named(_PHYSICAL, _get(element, _TYPE)) if _TYPE in element else "group",
        f"({_get(element, _LENGTH)})" if _LENGTH in element else "",
        _kind(element),
        _unit(element),
        f"with field id {_get(element, _FIELD_ID)}" if _FIELD_ID in element else "",
    ]
    return " ".join(word for word in words if word)


def _named(names: Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else f"type {number}"


def _logical(element: Structure) -> tuple[int, Structure]:
    """Number and content of the logical type; 0 where there is none."""
    for number, (_, content) in element.get(_LOGICAL, (0, {}))[1].items():
        return number, content
    return 0, {}


def _converted(element: Structure) -> str:
    return _named(_CONVERTEDS, _get(element, _CONVERTED)) if _CONVERTED in element else ""


def _kind(element: Structure) -> str:
    """What values mean, in one word; empty if it is not said."""
    number, content = _logical(element)
    word = _LOGICALS.get(number, f"logical type {number}") if number else _converted(element)
    if word == "INTEGER":
        return f"{'INT' if content[2][0] == _TRUE else 'UINT'}_{content[1][1]}"
    return word.partition("_")[0] if word.startswith("TIME") else word


def _unit(element: Structure) -> str:
    """The unit of times and timestamps with their zone, precision and scale of decimals."""
    kind, (number, content) = _kind(element), _logical(element)
    if kind == "DECIMAL":
        scale, precision = (
            (content[1][1], content[2][1]) if number else (_get(element, f) for f in (_SCALE, _PRECISION))
        )
        return f"({precision}, {scale})"
    if not kind.startswith("TIME"):
        return ""
    if not number:
        return f"{_converted(element).partition('_')[2]}{_UTC}"
    return f"{_UNITS.get(next(iter(content[2][1])))}{_UTC if content[1][0] == _TRUE else ''}"


class _Reader:
    """Reads Thrift's compact protocol; of bytes that pyarrow has read before."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def fields(self) -> Iterator[tuple[int, Value]]:
        """The fields of a structure, as they come."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            yield number, (kind, None if kind in (_TRUE, _FALSE) else self.value(kind))

    def value(self, kind: int) -> Any:
        """A value of the given type."""
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind == _STRUCT:
            return dict(self.fields())
        if kind in (_LIST, _SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._varint()
            return head & 15, [self.value(head & 15) for _ in range(size)]
        if kind == _DOUBLE:
            return self._take(8)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        raise ValueError(f"a footer holds a value of Thrift's type {kind}")

    def _take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        result = shift = 0
        while True:
            byte = self._byte()
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)


def _encoded(kind: int, value: Any) -> bytes:
    """A value in Thrift's compact protocol."""
    if kind in _INTEGERS:
        return _varint((value << 1) ^ (value >> 63))
    if kind == _BINARY:
        return _varint(len(value)) + bytes(value)
    if kind == _STRUCT:
        return _structure(value)
    if kind in (_LIST, _SET):
        inner, values = value
        size = len(values)
        head = bytes([size << 4 | inner]) if size < 15 else bytes([0xF0 | inner]) + _varint(size)
        return head + b"".join(_encoded(inner, one) for one in values)
    return bytes(value) if kind == _DOUBLE else bytes([value])


def _structure(fields: Mapping[int, Value]) -> bytes:
    parts, last = [], 0
    for number, (kind, value) in sorted(fields.items()):
        step = number - last
        parts.append(bytes([step << 4 | kind]) if step < 16 else bytes([kind]) + _varint(number << 1))
        parts.append(b"" if kind in (_TRUE, _FALSE) else _encoded(kind, value))
        last = number
    return b"".join(parts) + b"\0"


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes((*parts, number))

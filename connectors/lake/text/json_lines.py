"""Reads JSON lines in blocks and unites the blocks' shapes.

JSON has types: a string stays a string whatever it looks like, and a number column is typed only where every literal
survives the round trip. A missing key and null are both null. The blocks wait in a spool, packed, until the last one
has shown what the columns are; then they are moved to the united shape. So the text is read once.

Number literals that Arrow's reader would change (`1.0`, `1e5`, `-0`, more digits than a float has) are found by regular
expressions over whole blocks. A number inside a string may look suspicious; then the block is searched again without
its strings.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.text.json_exact import MAX_TYPED_DEPTH, parse_exactly
from lakebed.connectors.lake.text.json_values import Lines, value_lines
from lakebed.connectors.lake.text.shapes import NULL, Shape, arrow_type, reshape, shape_of, skeleton, storable, unite
from lakebed.connectors.lake.text.stream import BLOCK_BYTES, TextStream, encoding_error
from lakebed.connectors.lake.text.types import parse_canonical

_CHANGED = r"[:,\[\s]-?(?:[0-9]+\.[0-9]*0[,\]}\s]|[0-9]+(?:\.[0-9]+)?[eE])|[:,\[\s]-0[,\]}\s]"
_STRING = r'"(?:[^"\\]|\\.)*"'
_LONG = re.compile(rb"[:,\[\s](-?[0-9][0-9.]{15,})(?=[,\]}\s])")
_ANY_LONG = "[0-9][0-9.]{15}"
_LONG_INT = 10**15


def literals_survive(block: bytes, parsed: pa.Array) -> bool:
    """Whether every number of a block renders back to the text it was parsed from.

    Args:
        block: JSON lines.
        parsed: the struct array that Arrow made of them.
    """
    numbers = _numbers(parsed)
    if not numbers:
        return True
    floats = [values for values in numbers if pa.types.is_floating(values.type)]
    if not all(pc.all(pc.is_finite(values), min_count=0).as_py() for values in floats):
        return False
    n_long_ints = sum(_n_long(values) for values in numbers if pa.types.is_integer(values.type))
    text = pa.array([block], pa.large_binary())
    if _search(text, has_floats=bool(floats), n_long_ints=n_long_ints):
        return True
    text = pc.replace_substring_regex(text, _STRING, '""')
    return _search(text, has_floats=bool(floats), n_long_ints=n_long_ints)


def _search(text: pa.Array, *, has_floats: bool, n_long_ints: int) -> bool:
    if pc.match_substring_regex(text, _CHANGED)[0].as_py():
        return False
    if not has_floats or not pc.match_substring_regex(text, _ANY_LONG)[0].as_py():
        return True
    # up to 15 digits always survive; of longer literals, ints that stand in int columns are exact too
    literals = [literal.decode() for literal in _LONG.findall(text[0].as_py())]
    ints = [literal for literal in literals if "." not in literal]
    fractions = [literal for literal in literals if "." in literal]
    return _are_floats(fractions) and (len(ints) == n_long_ints or _are_floats(ints))


def _are_floats(literals: list[str]) -> bool:
    return not literals or parse_canonical(pa.array(literals, pa.string()), "float64") is not None


def _n_long(values: pa.Array) -> int:
    is_long = pc.or_(pc.greater_equal(values, _LONG_INT), pc.less_equal(values, -_LONG_INT))
    return int(pc.sum(is_long, min_count=0).as_py())


def _numbers(array: pa.Array) -> list[pa.Array]:
    """Every array of numbers inside an array."""
    if pa.types.is_struct(array.type):
        return [found for i in range(array.type.num_fields) for found in _numbers(array.field(i))]
    if pa.types.is_list(array.type):
        return _numbers(array.values)
    return [array] if pa.types.is_integer(array.type) or pa.types.is_floating(array.type) else []


MAX_LINE_BYTES = 1 << 28
SPOOL_BYTES = 1 << 25


class JsonReader:
    """The rows of one JSON file; a context manager, for its spool.

    Args:
        stream: at its beginning; read to its end at once.
        is_lines: whether each line is an object; else objects may lie anywhere, or in one array.

    Raises:
        SourceError: for an empty file, a value that is no object, or text in another encoding.
        NotOneALine: if it is not one object a line, though `is_lines` says so.
    """

    def __init__(self, stream: TextStream, *, is_lines: bool = True) -> None:
        self._path = stream.path
        self._hint: pa.Schema | None = None
        self._shape = NULL
        self._spooled: list[tuple[int, Shape]] = []
        with ExitStack() as stack:
            self._spool = stack.enter_context(tempfile.SpooledTemporaryFile(SPOOL_BYTES))
            for block, numbers in _line_blocks(stream) if is_lines else value_lines(stream):
                self._take(block, numbers)
            if not self._shape.members:
                raise _no_columns(self._path)
            stack.pop_all()
        self.shape = storable(self._shape)
        self.schema = pa.schema(list(arrow_type(self.shape)))

    def __enter__(self) -> "JsonReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order, all in the united schema."""
        self._spool.seek(0)
        for n_bytes, shape in self._spooled:
            with pa.ipc.open_stream(self._spool.read(n_bytes)) as packed:
                rows = packed.read_next_batch().column(0)
            yield pa.RecordBatch.from_struct_array(reshape(rows, shape, self.shape))

    def _take(self, block: bytes, numbers: Sequence[int]) -> None:
        try:
            block.decode()
        except UnicodeDecodeError as error:
            line = numbers[block.count(b"\n", 0, error.start)]
            what = f"byte 0x{block[error.start]:02x} in line {line}: {error.reason}"
            raise encoding_error(self._path, what) from error
        rows, shape = self._parse(block, numbers)
        self._shape = unite(self._shape, shape)
        sink = pa.BufferOutputStream()
        batch = pa.record_batch([rows], names=["rows"])
        with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_batch(batch)
        packed = sink.getvalue()
        self._spool.write(packed)
        self._spooled.append((len(packed), shape))

    def _parse(self, block: bytes, numbers: Sequence[int]) -> tuple[pa.Array, Shape]:
        n_objects = _n_objects(block)
        if n_objects and not _is_deep(block):
            rows = self._parse_fast(block)
            if rows is not None and len(rows) == n_objects and literals_survive(block, rows):
                return rows, shape_of(rows)
        return parse_exactly(block, self._path, numbers)

    def _parse_fast(self, block: bytes) -> pa.Array | None:
        """The block by Arrow's reader, its strings left strings; None where it finds no table in it."""
        rows = _read_or_none(block, self._hint)
        if rows is None and self._hint is not None:
            # a column of strings may hold something else from here on
            rows = _read_or_none(block, None)
        if rows is None:
            return None
        strings = _timestamps_as_strings(rows.type)
        if strings is None:
            return rows
        # Arrow takes strings that look like timestamps for such: tell it, and remember it for the next blocks
        self._shape = unite(self._shape, skeleton(rows.type))
        self._hint = _merged(self._hint, pa.schema(list(strings)))
        return _read_or_none(block, self._hint)


def _read_or_none(block: bytes, hint: pa.Schema | None) -> pa.Array | None:
    try:
        return _read(block, hint)
    except pa.ArrowInvalid:
        return None


def _read(block: bytes, hint: pa.Schema | None) -> pa.Array:
    table = arrow_json.read_json(
        pa.BufferReader(block),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=hint),
    )
    if not table.num_columns:
        return pa.array([{}] * table.num_rows, pa.struct([]))
    (batch,) = table.combine_chunks().to_batches()
    # Arrow makes broken arrays of lists that hold nothing but nulls
    batch.validate()
    return batch.to_struct_array()


def _timestamps_as_strings(type_: pa.DataType) -> pa.DataType | None:
    """Only those parts of a type that are timestamps, as strings; None if there are none."""
    if pa.types.is_struct(type_):
        parts = [(field.name, _timestamps_as_strings(field.type)) for field in type_]
        found = [pa.field(name, part) for name, part in parts if part is not None]
        return pa.struct(found) if found else None
    if pa.types.is_list(type_):
        item = _timestamps_as_strings(type_.value_type)
        return None if item is None else pa.list_(item)
    return pa.string() if pa.types.is_temporal(type_) else None


def _merged(one: pa.Schema | None, other: pa.Schema) -> pa.Schema:
    """Both hints; where they name the same column, the newer one."""
    if one is None:
        return other
    return pa.schema([*(field for field in one if field.name not in other.names), *other])


def _line_blocks(stream: TextStream) -> Iterator[Lines]:
    """Blocks of whole lines. A line break inside a JSON string is always escaped, so each one ends a line."""
    first = 1
    for block in _whole_lines(stream):
        n_lines = block.count(b"\n") + 1
        yield block, range(first, first + n_lines)
        first += n_lines - 1


def _whole_lines(stream: TextStream) -> Iterator[bytes]:
    parts: list[bytes] = []
    n_bytes = 0
    is_blank = True
    while block := stream.read(BLOCK_BYTES):
        is_blank = is_blank and not block.strip()
        end = block.rfind(b"\n") + 1
        parts.append(block[:end] if end else block)
        n_bytes += len(parts[-1])
        if end:
            yield b"".join(parts)
            parts, n_bytes = [block[end:]], len(block) - end
        elif n_bytes > MAX_LINE_BYTES:
            raise _too_long(stream.path)
    if any(parts):
        yield b"".join(parts)
    if is_blank:
        raise _empty(stream)


def _n_objects(block: bytes) -> int:
    """Lines that are not blank; 0 if one does not begin like an object: on blocks of `null` Arrow's reader dies."""
    heads = [line.lstrip()[:1] for line in block.split(b"\n")]
    n_objects = heads.count(b"{")
    return n_objects if n_objects + heads.count(b"") == len(heads) else 0


def _is_deep(block: bytes) -> bool:
    """Whether an object may be nested too deeply for Arrow's parser; brackets in strings count too."""
    data = np.frombuffer(block, np.uint8)
    brackets = data[(data == ord("{")) | (data == ord("[")) | (data == ord("}")) | (data == ord("]"))]
    steps = np.where((brackets == ord("{")) | (brackets == ord("[")), 1, -1)
    return bool(len(steps)) and int(np.cumsum(steps).max()) >= MAX_TYPED_DEPTH


def _too_long(path: str) -> SourceError:
    return SourceError(
        f"a line of {path} is longer than {MAX_LINE_BYTES >> 20} MiB",
        expected="JSON objects, one a line",
        hint="write one object a line, or leave the file out with `lake.exclude`",
    )


def _no_columns(path: str) -> SourceError:
    return SourceError(
        f"no columns in {path}: every object is empty",
        expected="JSON objects with keys",
        hint="leave it out with `lake.exclude`",
    )


def _empty(stream: TextStream) -> SourceError:
    return SourceError(
        f"empty file: no rows: {stream.path}" if not stream.n_bytes else f"only white space: {stream.path}",
        value=f"{stream.n_bytes} bytes",
        expected="one JSON object a line",
        hint="leave it out with `lake.exclude`",
    )

"""JSON lines parsed exactly: number literals as they were written, values of several kinds as canonical text.

Slower than Arrow's reader by an order of magnitude, so only the blocks that need it come here.
"""

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import NoReturn

import pyarrow as pa

from lakebed.connectors.lake.text.json_text import RawJson, json_text
from lakebed.connectors.lake.text.json_values import json_error, kind_of
from lakebed.connectors.lake.text.shapes import JSON, NULL, Shape, list_of
from lakebed.connectors.lake.text.types import parse_canonical, survives_as_float

# a Parquet schema holds about 100 levels, of which a list takes two
MAX_TYPED_DEPTH = 40
# the parsers recurse
MAX_DEPTH = 200

_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|([{\[])|([}\]])')
_KINDS = {dict: "struct", list: "list", RawJson: "number", str: "string", bool: "bool", type(None): "null"}


class NotOneALine(Exception):
    """A line that is no JSON text by itself, so that the file may have its objects over several lines."""


def parse_exactly(block: bytes, path: str, numbers: Sequence[int]) -> tuple[pa.Array, Shape]:
    """The objects of a block of lines as a struct array.

    Args:
        block: whole lines; blank ones are left out.
        path: of the file, for messages.
        numbers: of the lines.

    Raises:
        SourceError: for a line that is no JSON object, or that has a key twice.
        NotOneALine: for a line that is no JSON text, or an array.
    """
    objects: list[object] = []
    for number, line in zip(numbers, block.split(b"\n"), strict=False):
        if line.strip():
            objects.append(_parse_line(line, path, number))
    try:
        array, shape = build(objects)
    except UnicodeEncodeError as error:
        raise json_error(path, numbers[0], f"a string is no Unicode text: {error.reason}") from error
    return array, shape


def build(values: Sequence[object], depth: int = 0) -> tuple[pa.Array, Shape]:
    """Parsed JSON values (numbers as RawJson) as one array, exactly; what lies deeper than MAX_TYPED_DEPTH is text.

    Shapes: values (n,), result (n,).
    """
    kinds = {_KINDS[type(value)] for value in values} - {"null"}
    if not kinds:
        return pa.nulls(len(values)), NULL
    kind = kinds.pop() if len(kinds) == 1 else "json"
    if kind in ("struct", "list") and depth >= MAX_TYPED_DEPTH:
        kind = "json"
    if kind == "struct":
        return _build_struct(values, depth + 1)
    if kind == "list":
        return _build_list(values, depth + 1)
    if kind == "number":
        return _build_numbers(pa.array(values, pa.string()))
    if kind == "string":
        return pa.array(values, pa.string()), Shape("string")
    return (pa.array(values, pa.bool_()), Shape("bool")) if kind == "bool" else (_json_array(values), JSON)


def _build_struct(values: Sequence[object], depth: int) -> tuple[pa.Array, Shape]:
    objects = [value if isinstance(value, dict) else {} for value in values]
    names = dict.fromkeys(name for members in objects for name in members)
    children, members = [], []
    for name in names:
        child, shape = build([members.get(name) for members in objects], depth)
        children.append(child)
        members.append((name, shape))
    mask = pa.array([value is None for value in values], pa.bool_())
    fields = [pa.field(name, child.type) for name, child in zip(names, children, strict=True)]
    if not fields:
        array = pa.array([None if value is None else {} for value in values], pa.struct([]))
    else:
        array = pa.StructArray.from_arrays(children, fields=fields, mask=mask)
    return array, Shape("struct", members=tuple(members))


def _build_list(values: Sequence[object], depth: int) -> tuple[pa.Array, Shape]:
    lists = [value if isinstance(value, list) else [] for value in values]
    items, item = build([cell for cells in lists for cell in cells], depth)
    shape = list_of(item)
    if shape == JSON:
        return _json_array(values), JSON
    offsets = pa.array(list(accumulate(map(len, lists), initial=0)), pa.int32())
    return pa.ListArray.from_arrays(offsets, items, mask=pa.array([value is None for value in values])), shape


def _build_numbers(literals: pa.Array) -> tuple[pa.Array, Shape]:
    present = literals.drop_null()
    if parse_canonical(present, "int64") is not None:
        ints = literals.cast(pa.int64())
        return ints, Shape("int" if survives_as_float(ints) else "bigint")
    if parse_canonical(present, "float64") is not None:
        return literals.cast(pa.float64()), Shape("float")
    return literals, Shape("number_text")


def _json_array(values: Sequence[object]) -> pa.Array:
    return pa.array([None if value is None else json_text(value) for value in values], pa.string())


def _parse_line(line: bytes, path: str, number: int) -> dict[str, object]:
    if _depth(line) > MAX_DEPTH:
        raise json_error(path, number, f"nested too deeply: more than {MAX_DEPTH} levels")
    try:
        value = _DECODER.decode(line.decode())
    except json.JSONDecodeError as error:
        raise NotOneALine(json_error(path, number, str(error))) from error
    except ValueError as error:
        raise json_error(path, number, str(error)) from error
    if isinstance(value, list):
        raise NotOneALine(json_error(path, number, "an array instead of an object"))
    if not isinstance(value, dict):
        raise json_error(path, number, f"{kind_of(line)} instead of an object")
    return value


def _depth(line: bytes) -> int:
    """How deep a line is nested, where it may be deep."""
    if line.count(b"{") + line.count(b"[") <= MAX_DEPTH:
        return 0
    steps = [1 if match[1] else -1 for match in _BRACKETS.finditer(line) if match[1] or match[2]]
    return max(accumulate(steps), default=0)


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} comes twice")
    return members


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    parse_int=RawJson, parse_float=RawJson, parse_constant=_reject_constant, object_pairs_hook=_unique_members
)

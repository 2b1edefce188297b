"""JSON lines parsed exactly: number literals as they were written, values of several kinds as canonical text.

Slower than Arrow's reader by an order of magnitude, so only the blocks that need it come here.
"""

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import NoReturn

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.text.json_text import RawJson, json_text
from lakebed.connectors.lake.text.shapes import JSON, NULL, Shape, list_of
from lakebed.connectors.lake.text.types import parse_canonical, survives_as_float

_KINDS = {dict: "struct", list: "list", RawJson: "number", str: "string", bool: "bool", type(None): "null"}


def parse_exactly(block: bytes, path: str, first_line: int) -> tuple[pa.Array, Shape]:
    """The objects of a block of lines as a struct array.

    Args:
        block: whole lines; blank ones are left out.
        path: of the file, for messages.
        first_line: number of the block's first line.

    Raises:
        SourceError: for a line that is no JSON object, or that has a key twice.
    """
    objects: list[object] = []
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        if line.strip():
            objects.append(_parse_line(line, path, number))
    try:
        array, shape = build(objects)
    except UnicodeEncodeError as error:
        raise _line_error(path, first_line, f"a string is no Unicode text: {error.reason}") from error
    return array, shape


def build(values: Sequence[object]) -> tuple[pa.Array, Shape]:
    """Parsed JSON values (numbers as RawJson) as one array, exactly.

    Shapes: values (n,), result (n,).
    """
    kinds = {_KINDS[type(value)] for value in values} - {"null"}
    if not kinds:
        return pa.nulls(len(values)), NULL
    kind = kinds.pop() if len(kinds) == 1 else "json"
    if kind == "struct":
        return _build_struct(values)
    if kind == "list":
        return _build_list(values)
    if kind == "number":
        return _build_numbers(pa.array(values, pa.string()))
    if kind == "string":
        return pa.array(values, pa.string()), Shape("string")
    return (pa.array(values, pa.bool_()), Shape("bool")) if kind == "bool" else (_json_array(values), JSON)


def _build_struct(values: Sequence[object]) -> tuple[pa.Array, Shape]:
    objects = [value if isinstance(value, dict) else {} for value in values]
    names = dict.fromkeys(name for members in objects for name in members)
    children, members = [], []
    for name in names:
        child, shape = build([members.get(name) for members in objects])
        children.append(child)
        members.append((name, shape))
    mask = pa.array([value is None for value in values], pa.bool_())
    fields = [pa.field(name, child.type) for name, child in zip(names, children, strict=True)]
    if not fields:
        array = pa.array([None if value is None else {} for value in values], pa.struct([]))
    else:
        array = pa.StructArray.from_arrays(children, fields=fields, mask=mask)
    return array, Shape("struct", members=tuple(members))


def _build_list(values: Sequence[object]) -> tuple[pa.Array, Shape]:
    lists = [value if isinstance(value, list) else [] for value in values]
    items, item = build([cell for cells in lists for cell in cells])
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
    try:
        value = _DECODER.decode(line.decode())
    except RecursionError as error:
        raise _line_error(path, number, "nested too deeply") from error
    except ValueError as error:
        raise _line_error(path, number, str(error)) from error
    if not isinstance(value, dict):
        raise _line_error(path, number, f"a JSON {type(value).__name__} instead of an object")
    return value


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} comes twice")
    return members


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _line_error(path: str, number: int, why: str) -> SourceError:
    return SourceError(
        f"cannot read {path} as JSON lines: line {number}",
        value=why,
        expected="one JSON object a line, each key once",
        hint="write one object a line, or leave the file out with `lake.exclude`",
    )


_DECODER = json.JSONDecoder(
    parse_int=RawJson, parse_float=RawJson, parse_constant=_reject_constant, object_pairs_hook=_unique_members
)

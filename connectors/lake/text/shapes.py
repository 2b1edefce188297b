"""Shapes of JSON values: what a column holds, how two blocks' shapes unite, and how cells move to the united shape."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.text.json_text import RawJson, json_text, json_texts
from lakebed.connectors.lake.text.types import float_texts, survives_as_float

# `int` survives as float64, `bigint` does not; `number_text` and `json` as in `ColumnKind`
ShapeKind = Literal["null", "bool", "int", "bigint", "float", "number_text", "string", "list", "struct", "json"]

_NUMBERS = {"int", "bigint", "float", "number_text"}
_TYPES = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "bigint": pa.int64(),
    "float": pa.float64(),
    "number_text": pa.string(),
    "string": pa.string(),
    "json": pa.string(),
}


@dataclass(frozen=True)
class Shape:
    """What JSON values are: a kind, the shape of list items, the named shapes of an object's members."""

    kind: ShapeKind
    item: "Shape | None" = None
    members: "tuple[tuple[str, Shape], ...]" = ()


NULL = Shape("null")
JSON = Shape("json")


def shape_of(array: pa.Array) -> Shape:
    """The shape of values that Arrow's JSON reader has parsed."""
    type_ = array.type
    if pa.types.is_struct(type_):
        return Shape("struct", members=tuple((f.name, shape_of(array.field(i))) for i, f in enumerate(type_)))
    if pa.types.is_list(type_):
        return Shape("list", shape_of(array.values))
    if pa.types.is_integer(type_):
        return Shape("int" if survives_as_float(array) else "bigint")
    if pa.types.is_floating(type_):
        return Shape("float")
    if pa.types.is_boolean(type_):
        return Shape("bool")
    return NULL if pa.types.is_null(type_) else Shape("string")


def skeleton(type_: pa.DataType) -> Shape:
    """Only the nesting of a type and the order of its members."""
    if not pa.types.is_struct(type_):
        return NULL
    return Shape("struct", members=tuple((field.name, skeleton(field.type)) for field in type_))


def unite(one: Shape, other: Shape) -> Shape:
    """The shape that holds the values of both without loss."""
    if other in (one, NULL):
        return one
    if one == NULL:
        return other
    if one.kind == other.kind == "struct":
        mine, others = dict(one.members), dict(other.members)
        names = dict.fromkeys([*mine, *others])
        return Shape("struct", members=tuple((n, unite(mine.get(n, NULL), others.get(n, NULL))) for n in names))
    if one.kind == other.kind == "list" and one.item and other.item:
        return list_of(unite(one.item, other.item))
    return Shape(_united_number({one.kind, other.kind})) if {one.kind, other.kind} <= _NUMBERS else JSON


def list_of(item: Shape) -> Shape:
    """A list of such items; a list is a whole value, so one whose items have no exact type is JSON text."""
    return Shape("list", item) if _is_exact(item) else JSON


def storable(shape: Shape) -> Shape:
    """The shape as Parquet can hold it: objects without members, anywhere, become JSON text."""
    if shape.kind == "list" and shape.item:
        return shape if _has_members(shape.item) else JSON
    if shape.kind != "struct":
        return shape
    if not shape.members:
        return JSON
    return Shape("struct", members=tuple((name, storable(member)) for name, member in shape.members))


def arrow_type(shape: Shape) -> pa.DataType:
    """The Arrow type of values of that shape."""
    if shape.kind == "struct":
        return pa.struct([pa.field(name, arrow_type(member)) for name, member in shape.members])
    if shape.kind == "list" and shape.item:
        return pa.list_(arrow_type(shape.item))
    return _TYPES[shape.kind]


def reshape(array: pa.Array, source: Shape, target: Shape) -> pa.Array:
    """Values of one shape as values of a shape that `unite` or `storable` made of it and others.

    Shapes: array (n,), result (n,); nulls stay where they are.
    """
    if source == target:
        return array
    if source.kind == "null":
        return pa.nulls(len(array), arrow_type(target))
    if target.kind == "struct":
        return _reshape_struct(array, source, target)
    if target.kind == "list" and source.item and target.item:
        items = reshape(array.values, source.item, target.item)
        return pa.ListArray.from_arrays(array.offsets, items, mask=array.is_null() if array.null_count else None)
    return _as_json(array, source) if target.kind == "json" else _reshape_number(array, source, target)


def _reshape_struct(array: pa.Array, source: Shape, target: Shape) -> pa.Array:
    position = {name: (i, member) for i, (name, member) in enumerate(source.members)}
    children = []
    for name, member in target.members:
        if name in position:
            i, shape = position[name]
            children.append(reshape(array.field(i), shape, member))
        else:
            children.append(pa.nulls(len(array), arrow_type(member)))
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(children, fields=list(arrow_type(target)), mask=mask)


def _reshape_number(array: pa.Array, source: Shape, target: Shape) -> pa.Array:
    if target.kind == "number_text" and source.kind == "float":
        return float_texts(array)
    if pa.types.is_integer(array.type) and target.kind == "float":
        # beyond 2^53 Arrow refuses whole numbers that a float holds exactly, too
        floats = pc.cast(array, pa.float64(), safe=False)
        if pc.all(pc.equal(pc.cast(floats, pa.decimal128(38, 0)), pc.cast(array, pa.decimal128(38, 0)))).as_py():
            return floats
    return pc.cast(array, arrow_type(target))


def _as_json(array: pa.Array, source: Shape) -> pa.Array:
    if source.kind in ("number_text", "json"):
        return array
    if source.kind not in ("struct", "list"):
        return json_texts(array)
    texts = [None if value is None else json_text(value) for value in _python_values(array, source)]
    return pa.array(texts, pa.string())


def _python_values(array: pa.Array, shape: Shape) -> list[object]:
    """Parsed values again: a slow path, for objects and lists in a column that also holds something else."""
    cells: list[object] = array.to_pylist()
    if shape.kind in ("number_text", "json"):
        return [None if cell is None else RawJson(cell) for cell in cells]
    if shape.kind != "struct":
        return cells
    columns = [_python_values(array.field(i), member) for i, (_, member) in enumerate(shape.members)]
    names = [name for name, _ in shape.members]
    return [
        None if cell is None else dict(zip(names, (column[row] for column in columns), strict=True))
        for row, cell in enumerate(cells)
    ]


def _united_number(kinds: set[str]) -> ShapeKind:
    if kinds == {"int", "bigint"}:
        return "bigint"
    return "float" if kinds == {"int", "float"} else "number_text"


def _is_exact(shape: Shape) -> bool:
    inner = [shape.item] if shape.item else [member for _, member in shape.members]
    return shape.kind not in ("number_text", "json") and all(map(_is_exact, inner))


def _has_members(shape: Shape) -> bool:
    """Whether no object in here lacks members altogether."""
    if shape.kind == "struct":
        return bool(shape.members) and all(_has_members(member) for _, member in shape.members)
    return shape.item is None or _has_members(shape.item)

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.text.json_exact import build
from lakebed.connectors.lake.text.json_text import RawJson
from lakebed.connectors.lake.text.shapes import JSON, NULL, Shape, arrow_type, reshape, shape_of, storable, unite

SHAPES = st.recursive(
    st.sampled_from(["null", "bool", "int", "bigint", "float", "number_text", "string", "json"]).map(Shape),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
        lambda members: Shape("struct", members=tuple(sorted(members.items())))
    ),
    max_leaves=5,
)


def by_name(shape: Shape) -> Shape:
    return Shape(shape.kind, shape.item, tuple(sorted((name, by_name(member)) for name, member in shape.members)))


@given(SHAPES, SHAPES)
def test_uniting_has_no_order(one: Shape, other: Shape) -> None:
    assert by_name(unite(one, other)) == by_name(unite(other, one))
    assert unite(one, one) == unite(one, NULL) == unite(NULL, one) == one
    assert unite(unite(one, other), other) == unite(one, other)


@given(SHAPES, SHAPES, SHAPES)
def test_uniting_has_no_brackets(one: Shape, two: Shape, three: Shape) -> None:
    assert by_name(unite(unite(one, two), three)) == by_name(unite(one, unite(two, three)))


def test_numbers_meet_where_nothing_is_lost() -> None:
    kind = {name: Shape(name) for name in ("int", "bigint", "float", "number_text", "string", "bool")}
    assert unite(kind["int"], kind["float"]) == kind["float"]
    assert unite(kind["int"], kind["bigint"]) == kind["bigint"]
    assert unite(kind["bigint"], kind["float"]) == kind["number_text"]
    assert unite(kind["string"], kind["number_text"]) == unite(kind["bool"], kind["int"]) == JSON


def test_lists_without_an_exact_item_type_are_text() -> None:
    ints, floats, strings = (Shape("list", Shape(kind)) for kind in ("int", "float", "string"))
    assert unite(ints, floats) == floats
    assert unite(ints, strings) == JSON
    assert unite(Shape("list", NULL), strings) == strings


def test_objects_without_members_are_text() -> None:
    empty = Shape("struct")
    assert storable(empty) == storable(Shape("list", empty)) == JSON
    assert storable(Shape("struct", members=(("a", empty),))) == Shape("struct", members=(("a", JSON),))


VALUE = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3) | st.sampled_from(["1", "2.5", "1.0", str(2**53 + 1)]).map(RawJson),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(VALUE, min_size=1, max_size=4), st.lists(VALUE, min_size=1, max_size=4))
def test_reshaping_equals_building_at_once(one: list[object], other: list[object]) -> None:
    """Two blocks moved to their united shape hold what one block of all rows holds."""
    (first, first_shape), (second, second_shape), (whole, whole_shape) = build(one), build(other), build(one + other)
    united = unite(first_shape, second_shape)
    assert by_name(united) == by_name(whole_shape)
    parts = [reshape(first, first_shape, united), reshape(second, second_shape, united)]
    assert [part.type for part in parts] == [arrow_type(united)] * 2
    assert [row for part in parts for row in part.to_pylist()] == whole.to_pylist()


def test_the_shape_of_what_arrow_parsed() -> None:
    array = pa.array([{"a": 1, "b": [2.5], "c": 2**53 + 1, "d": None, "e": "x", "f": True}])
    assert json.loads(json.dumps([[name, member.kind] for name, member in shape_of(array).members])) == [
        ["a", "int"], ["b", "list"], ["c", "bigint"], ["d", "null"], ["e", "string"], ["f", "bool"],
    ]  # fmt: skip

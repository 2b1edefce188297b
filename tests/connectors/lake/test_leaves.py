import pickle

import pyarrow as pa
import pytest

from lakebed.connectors.lake.leaves import Leaf, batch_leaves, missing_leaf, path_of, schema_leaves, token_of


def tokens(schema: pa.Schema, ignore_case: bool = False) -> list[str]:
    return [leaf.token for leaf in schema_leaves(schema, ignore_case)]


def test_a_dotted_name_is_not_a_nested_one() -> None:
    schema = pa.schema([("a.b", pa.int64()), ("a", pa.struct([("b", pa.int64())]))])
    assert tokens(schema) == ['["a.b"]', '["a","b"]']


def test_repeated_names_carry_their_occurrence_at_every_level() -> None:
    inner = pa.struct([pa.field("x", pa.int8()), pa.field("x", pa.int8())])
    schema = pa.schema([pa.field("a", pa.int8()), pa.field("a", inner), pa.field("A", pa.int8())])
    assert tokens(schema) == ['["a"]', '["a",2,"x"]', '["a",2,"x",2]', '["A"]']
    assert tokens(schema, ignore_case=True) == ['["a"]', '["a",2,"x"]', '["a",2,"x",2]', '["a",3]']


def test_a_name_that_looks_like_an_occurrence_does_not_collide() -> None:
    schema = pa.schema([("a", pa.struct([("2", pa.int8())])), ('a",2', pa.int8())])
    assert len({*tokens(schema), token_of(("a", 2))}) == 3
    assert all(token_of(path_of(token)) == token for token in tokens(schema))


def test_lists_maps_and_empty_structs_are_one_leaf_and_wrappers_are_unwrapped() -> None:
    schema = pa.schema(
        [
            ("l", pa.list_(pa.struct([("x", pa.int8())]))),
            ("m", pa.map_(pa.string(), pa.int8())),
            ("e", pa.struct([])),
            ("d", pa.dictionary(pa.int8(), pa.string())),
            ("u", pa.uuid()),
        ]
    )
    leaves = schema_leaves(schema)
    assert [leaf.token for leaf in leaves] == ['["l"]', '["m"]', '["e"]', '["d"]', '["u"]']
    assert [leaf.type for leaf in leaves[3:]] == [pa.string(), pa.binary(16)]


def test_a_null_struct_is_told_from_a_struct_of_nulls() -> None:
    kind = pa.struct([("a", pa.struct([("b", pa.int64())]))])
    rows = [{"a": {"b": 1}}, {"a": {"b": None}}, {"a": None}, None]
    batch = pa.record_batch([pa.array(rows, kind), pa.array([1, 2, None, 4])], names=["s", "p"])
    cells = batch_leaves(batch, schema_leaves(batch.schema))
    assert cells['["s","a","b"]'].values.to_pylist() == [1, None, None, None]
    depth = cells['["s","a","b"]'].null_depth
    assert depth is not None
    assert depth.tolist()[1:] == [2, 1, 0]
    assert cells['["p"]'].null_depth is None


def test_values_below_a_null_struct_are_hidden_and_slices_hold() -> None:
    child = pa.array([1, 2, 3, 4])
    struct = pa.StructArray.from_arrays([child], names=["x"], mask=pa.array([False, True, False, True]))
    batch = pa.record_batch([struct], names=["s"]).slice(1, 3)
    cells = batch_leaves(batch, schema_leaves(batch.schema))['["s","x"]']
    assert cells.values.to_pylist() == [None, 3, None]
    assert cells.null_depth is not None
    assert cells.null_depth.tolist() == [0, 1, 0]


def test_dictionaries_and_run_ends_are_decoded() -> None:
    runs = pa.RunEndEncodedArray.from_arrays([2, 3], ["x", None])
    batch = pa.record_batch([pa.array(["a", None, "a"]).dictionary_encode(), runs], names=["d", "r"])
    cells = batch_leaves(batch, schema_leaves(batch.schema))
    assert cells['["d"]'].values.equals(pa.array(["a", None, "a"]))
    assert cells['["r"]'].values.to_pylist() == ["x", "x", None]


VIEW, BYTES = pa.string_view(), pa.binary_view()


@pytest.mark.parametrize(
    ("given", "cells", "wanted"),
    [
        (VIEW, ["a", None], pa.string()),
        (BYTES, [b"a", None], pa.binary()),
        (pa.list_(VIEW), [["a", None], None, []], pa.list_(pa.string())),
        (pa.large_list(BYTES), [[b"a"], None], pa.large_list(pa.binary())),
        (pa.list_(VIEW, 2), [["a", "b"], None], pa.list_(pa.string(), 2)),
        (pa.map_(VIEW, VIEW), [[("a", "b")], None], pa.map_(pa.string(), pa.string())),
        (pa.list_(pa.struct([("k", VIEW)])), [[{"k": "a"}], None], pa.list_(pa.struct([("k", pa.string())]))),
        (pa.list_(pa.list_(pa.int8())), [[[1]]], pa.list_(pa.list_(pa.int8()))),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else "",
)
def test_views_become_values_side_by_side(given: pa.DataType, cells: list[object], wanted: pa.DataType) -> None:
    batch = pa.record_batch([pa.array(cells, given)], names=["v"])
    found = batch_leaves(batch, schema_leaves(batch.schema))['["v"]'].values
    assert found.type == wanted
    assert found.to_pylist() == cells


@pytest.mark.parametrize(
    ("token", "depth"), [('["s","new"]', [1, 0]), ('["other"]', None), ('["other","x"]', None), ('["s",2,"x"]', None)]
)
def test_a_missing_leaf_is_null_at_the_level_that_is_missing(token: str, depth: list[int] | None) -> None:
    batch = pa.record_batch([pa.array([{"x": 1}, None])], names=["s"])
    cells = batch_leaves(batch, [missing_leaf(token, batch.schema)])[token]
    assert cells.values.null_count == 2
    assert (None if cells.null_depth is None else cells.null_depth.tolist()) == depth


def test_a_leaf_is_itself_in_another_process() -> None:
    leaf = Leaf(
        '["a"]', ("a",), pa.timestamp("us", "UTC"), 2, (0, 1), is_missing=True, is_dictionary=True, stored=pa.int64()
    )
    assert pickle.loads(pickle.dumps(leaf)) == leaf  # noqa: S301 - our own bytes

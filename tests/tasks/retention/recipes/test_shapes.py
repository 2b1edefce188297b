import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.retention.recipes.shapes import (
    assembled,
    columns_text,
    leaf_refs,
    schema_from_text,
    schema_to_text,
    table_leaves,
    taken,
)

STRUCT = pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string()), ("d", pa.float64())]))])
inner = st.none() | st.fixed_dictionaries({"c": st.none() | st.text(max_size=2), "d": st.none() | st.just(0.5)})
outer = st.none() | st.fixed_dictionaries({"a": st.none() | st.integers(0, 3), "b": inner})


@given(st.lists(outer, max_size=8))
def test_structs_are_put_together_from_their_leaves(rows: list[object]) -> None:
    table = pa.table({"s": pa.array(rows, STRUCT), "n": list(range(len(rows)))})
    assert assembled(table.schema, table_leaves(table, False), False).to_pylist() == table.to_pylist()


def test_dictionaries_and_extensions_are_dressed_again() -> None:
    kinds = pa.array(["a", "b", None, "a"]).dictionary_encode()
    narrow = pa.DictionaryArray.from_arrays(kinds.indices.cast(pa.int8()), kinds.dictionary)
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes([n] * 16) for n in range(4)], pa.binary(16)))
    table = pa.table({"k": narrow, "u": ids})
    again = assembled(table.schema, table_leaves(table, False), False)
    assert again.schema == table.schema
    assert again["k"].to_pylist() == table["k"].to_pylist()
    assert again["u"].combine_chunks().equals(table["u"].combine_chunks())


def test_a_schema_survives_as_text() -> None:
    schema = pa.schema([pa.field("a", pa.int8(), nullable=False, metadata={"x": "y"})], {"k": "v"})
    assert schema_from_text(schema_to_text(schema)).equals(schema, check_metadata=True)


def test_leaves_know_their_nullability() -> None:
    tight = pa.struct([pa.field("x", pa.int8(), nullable=False)])
    schema = pa.schema([pa.field("a", tight, nullable=False), pa.field("b", tight), pa.field("p", pa.string())])
    refs = leaf_refs(schema, {'["p"]'}, False)
    assert [(ref.token, ref.is_nullable, ref.is_partition) for ref in refs] == [
        ('["a","x"]', False, False),
        ('["b","x"]', True, False),
        ('["p"]', True, True),
    ]


def test_names_types_nullability_and_order_are_in_the_text() -> None:
    schemas = [
        pa.schema([("a", pa.int64()), ("b", pa.int64())]),
        pa.schema([("b", pa.int64()), ("a", pa.int64())]),
        pa.schema([pa.field("a", pa.int64(), nullable=False), ("b", pa.int64())]),
        pa.schema([("a", pa.int32()), ("b", pa.int64())]),
        pa.schema([("a", pa.dictionary(pa.int32(), pa.int64())), ("b", pa.int64())]),
        pa.schema([("a", pa.list_(pa.int64())), ("b", pa.int64())]),
        pa.schema([("a", pa.list_(pa.field("item", pa.int64(), nullable=False))), ("b", pa.int64())]),
        pa.schema([("a", pa.large_list(pa.int64())), ("b", pa.int64())]),
        pa.schema([("a", pa.struct([("x", pa.int64())])), ("b", pa.int64())]),
        pa.schema([("a", pa.struct([pa.field("x", pa.int64(), nullable=False)])), ("b", pa.int64())]),
        pa.schema([("a", pa.map_(pa.int64(), pa.int64())), ("b", pa.int64())]),
        pa.schema([("a", pa.uuid()), ("b", pa.int64())]),
        pa.schema([("a", pa.binary(16)), ("b", pa.int64())]),
    ]
    assert len({columns_text(schema) for schema in schemas}) == len(schemas)
    one, other = (pa.schema([("a", pa.list_(pa.field(name, pa.int64())))]) for name in ("item", "element"))
    assert columns_text(one) == columns_text(other)


def test_rows_are_taken_by_number_or_mask() -> None:
    cells = table_leaves(pa.table({"s": pa.array([None, {"a": 1, "b": None}, {"a": None, "b": None}], STRUCT)}), False)
    leaf = cells['["s","a"]']
    by_number = taken(leaf, np.array([2, 0, 0]))
    assert by_number.values.to_pylist() == [None, None, None]
    assert by_number.null_depth is not None and by_number.null_depth.tolist() == [1, 0, 0]
    by_mask = taken(leaf, np.array([False, True, True]))
    assert by_mask.values.to_pylist() == [1, None]

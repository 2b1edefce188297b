import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.text.json_text import RawJson, json_text, json_texts


@given(st.lists(st.text() | st.none()))
def test_strings_are_quoted_as_by_the_json_module(texts: list[str | None]) -> None:
    expected = [None if text is None else json.dumps(text, ensure_ascii=False) for text in texts]
    assert json_texts(pa.array(texts, pa.string())).to_pylist() == expected


def test_canonical_text() -> None:
    value = {"b": [RawJson("1.0"), None, True], "a": {"z": None, "y": "é\n"}, "c": None, "d": 1e-7}
    assert json_text(value) == '{"a":{"y":"é\\n"},"b":[1.0,null,true],"d":0.0000001}'


def test_arrays_of_other_types() -> None:
    assert json_texts(pa.array([True, None])).to_pylist() == ["true", None]
    assert json_texts(pa.array([1, None])).to_pylist() == ["1", None]
    assert json_texts(pa.array([1e20, 0.5, None])).to_pylist() == ["100000000000000000000", "0.5", None]
    assert json_texts(pa.array([[{"a": 1}], None])).to_pylist() == ['[{"a":1}]', None]
    assert json_texts(pa.nulls(1)).to_pylist() == [None]

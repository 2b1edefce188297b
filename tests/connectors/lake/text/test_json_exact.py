import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.text.json_exact import NotOneALine, parse_exactly
from lakebed.connectors.lake.text.shapes import Shape


def test_lines_are_parsed_exactly() -> None:
    array, shape = parse_exactly(b'{"a":1.0,"b":[1,2],"c":{"d":"x"}}\r\n\n{"a":1e5,"c":null}\n', "t", range(1, 5))
    assert array.to_pylist() == [
        {"a": "1.0", "b": [1, 2], "c": {"d": "x"}},
        {"a": "1e5", "b": None, "c": None},
    ]
    assert dict(shape.members)["a"] == Shape("number_text")
    assert dict(shape.members)["b"] == Shape("list", Shape("int"))


@pytest.mark.parametrize(
    "line", ["[]", "1", "{", '{"a":1,"a":1}', '{"a":-Infinity}', '{"a":01}', "{'a':1}", '{"a":1} x']
)
def test_a_bad_line_has_its_number(line: str) -> None:
    with pytest.raises((SourceError, NotOneALine), match="t as JSON: line 12"):
        parse_exactly(f'{{"a":1}}\n\n{line}\n'.encode(), "t", range(10, 14))

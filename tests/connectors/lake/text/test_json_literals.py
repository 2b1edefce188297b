import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.text.json_lines import _read, literals_survive


def survive(*lines: str) -> bool:
    block = "\n".join(lines).encode()
    return literals_survive(block, _read(block, None))


@pytest.mark.parametrize(
    "literal",
    [
        "1.0",
        "-1.50",
        "1e5",
        "1E5",
        "1.5e-7",
        "-0",
        "-0.0",
        "0.0",
        "0.12345678901234567891",
        "12345678901234567890",
        "9007199254740993.5",
        "NaN",
        "-Infinity",
    ],
)
def test_literals_that_change_are_found(literal: str) -> None:
    for block in (
        f'{{"a":{literal}}}',
        f'{{"a": {literal} }}',
        f'{{"b":1,"a":[2,{literal},0.5]}}',
        f'{{"a":{{"b":[{literal}]}}}}',
    ):
        assert not survive(block)
        assert not survive('{"x":0.5}', block, '{"x":0.25}')


@pytest.mark.parametrize(
    "literal",
    [
        "1",
        "0",
        "-5",
        "0.5",
        "-0.05",
        "0.00000012",
        "100",
        "1234567890123456789",
        "0.1234567890123456",
        "9007199254740992",
        '"1.0"',
        '", 1e5]"',
        '"\\", 1.0,"',
        "true",
    ],
)
def test_literals_that_survive(literal: str) -> None:
    assert survive(f'{{"a":{literal},"f":0.5}}')


def test_a_long_int_is_exact_only_in_an_int_column() -> None:
    assert survive('{"a":9007199254740993,"f":0.5}')
    assert not survive('{"a":9007199254740993}', '{"a":0.5}')
    assert not survive('{"a":1,"f":9007199254740993}', '{"a":9007199254740993,"f":0.5}')


LITERAL = st.from_regex(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?([eE][-+]?[0-9])?", fullmatch=True)


@given(st.lists(LITERAL | st.integers(-(2**64), 2**64).map(str), min_size=1, max_size=4))
def test_no_changed_literal_is_missed(literals: list[str]) -> None:
    block = "\n".join(f'{{"a":{literal}}}' for literal in literals).encode()
    parsed = _read(block, None)
    if literals_survive(block, parsed):
        from lakebed.connectors.lake.text.types import float_texts

        values = parsed.field(0)
        texts = float_texts(values) if pa.types.is_floating(values.type) else values.cast(pa.string())
        assert texts.to_pylist() == literals
    else:
        assert any(not _is_plain(literal) for literal in literals)


def _is_plain(literal: str) -> bool:
    """Short literals without exponent or trailing zeros never send a block to the slow path."""
    is_short = len(literal.strip("-").replace(".", "")) <= 15
    return (
        is_short and "e" not in literal.lower() and not (literal.endswith("0") and "." in literal) and literal != "-0"
    )


def test_keys_and_strings_that_look_like_numbers() -> None:
    row = {"1.0": "x", "a": [", 1.0,", "\\", '" :1e5,'], "f": 0.5}
    assert survive(json.dumps(row))

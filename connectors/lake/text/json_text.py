"""Canonical JSON text: no white space, keys sorted, number literals as they were written, null members left out.

A member that is null and one that is missing mean the same here, so that rows compare equal either way.
"""

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class RawJson(str):
    """Text that is JSON already, such as a number as it was written."""

    __slots__ = ()


def json_text(value: object) -> str:
    """The canonical text of one parsed value (numbers: RawJson, int, or float)."""
    return "".join(_parts(value))


def json_texts(array: pa.Array) -> pa.Array:
    """The canonical text of each cell; null stays null.

    Strings are quoted, booleans and numbers rendered as arrays; structs and lists cell by cell (a slow path for columns
    whose values are of several kinds).
    """
    type_ = array.type
    if pa.types.is_string(type_):
        return _quoted(array)
    if pa.types.is_boolean(type_) or pa.types.is_integer(type_) or pa.types.is_null(type_):
        return pc.cast(array, pa.string())
    return pa.array([None if cell is None else json_text(cell) for cell in array.to_pylist()], pa.string())


def _parts(value: object) -> Iterator[str]:
    if isinstance(value, RawJson):
        yield str.__str__(value)
    elif isinstance(value, dict):
        members = sorted((k, v) for k, v in value.items() if v is not None)
        yield "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{json_text(v)}" for k, v in members) + "}"
    elif isinstance(value, list):
        yield "[" + ",".join(map(json_text, value)) + "]"
    elif isinstance(value, float):
        yield np.format_float_positional(value, trim="-")
    else:
        yield json.dumps(value, ensure_ascii=False)


_ESCAPES = {**{chr(code): f"\\u{code:04x}" for code in range(32)}}
_ESCAPES |= {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quoted(texts: pa.Array) -> pa.Array:
    texts = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    if pc.any(pc.match_substring_regex(texts, r"[\x00-\x1f]")).as_py():
        for character, escape in _ESCAPES.items():
            texts = pc.replace_substring(texts, character, escape)
    return pc.binary_join_element_wise('"', texts, '"', "")

"""Constants of conditions: exact text of a value and its type, and back."""

from __future__ import annotations

import base64

import pyarrow as pa
from pyarrow import types as t

from lakebed.connectors.lake.canonical import is_binarylike, is_stringlike
from lakebed.connectors.lake.type_text import type_from_text
from lakebed.tasks.retention.recipes.model import Constant


def constant_of(value: pa.Scalar) -> Constant:
    """The constant of a flat scalar that is not null."""
    type_ = value.type
    return Constant(type=str(type_), value=_text(value, type_))


def scalar_of(constant: Constant) -> pa.Scalar:
    """The scalar that a constant stands for.

    Raises:
        SourceError: if its type is no flat type.
    """
    type_, text = type_from_text(constant.type), constant.value
    if t.is_boolean(type_):
        return pa.scalar(text == "true", type_)
    if is_stringlike(type_):
        return pa.scalar(text, type_)
    if is_binarylike(type_):
        return pa.scalar(base64.b64decode(text), type_)
    if t.is_temporal(type_):
        return _integer_array(text, type_)[0]
    if t.is_floating(type_):
        return pa.scalar(float(text), type_)
    return pa.array([text]).cast(type_)[0] if t.is_decimal(type_) else pa.scalar(int(text), type_)


def _text(value: pa.Scalar, type_: pa.DataType) -> str:
    if t.is_boolean(type_):
        return "true" if value.as_py() else "false"
    if is_stringlike(type_):
        return str(value.as_py())
    if is_binarylike(type_):
        return base64.b64encode(value.as_py()).decode()
    if t.is_temporal(type_):
        return str(pa.array([value.value], _storage(type_))[0].as_py())
    if t.is_floating(type_):
        return repr(float(value.as_py()))
    return str(value.cast(pa.string()).as_py()) if t.is_decimal(type_) else str(value.as_py())


def _storage(type_: pa.DataType) -> pa.DataType:
    return pa.int32() if type_.bit_width == 32 else pa.int64()


def _integer_array(text: str, type_: pa.DataType) -> pa.Array:
    return pa.array([int(text)], _storage(type_)).view(type_)

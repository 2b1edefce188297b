"""From a parent's type to the child's: only where the value stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from lakebed.connectors.errors import SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cast_exactly(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """The same values in another type.

    Raises:
        SourceError: if a value is none of that type.
    """
    cast, is_same = cast_where_same(values, type_)
    if is_same is not None and not is_same.all():
        raise SourceError(
            "a value of the parent is none of the child's type",
            value=f"{values.filter(pa.array(~is_same))[0]} as {type_}",
            expected="values that survive the cast",
            hint="run `lakebed plan` again",
        )
    return cast


def cast_where_same(values: pa.Array, type_: pa.DataType) -> tuple[pa.Array, NDArray[np.bool_] | None]:
    """The values in another type, and where that changed none; None: nowhere.

    A cell that cannot be cast comes out as null and not the same. Nested values are cast all or none.

    Shapes: values (n,), result (n,), mask (n,).
    """
    if values.type == type_:
        return values, None
    if not _is_flat(values.type) or not _is_flat(type_):
        return _cast_whole(values, type_)
    try:
        cast = _loosely(values, type_)
        back = _loosely(cast, values.type)
        is_same = _equal(values, back)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(values), type_), _null_mask(values)
    return cast, None if is_same.all() else is_same


def _loosely(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """The cast that changes what does not fit; Arrow refuses integers for decimals that could not hold all of them."""
    if t.is_decimal(type_) and t.is_integer(values.type):
        values = values.cast(pa.decimal256(76, type_.scale))
    return pc.cast(values, type_, safe=False)


def _cast_whole(values: pa.Array, type_: pa.DataType) -> tuple[pa.Array, NDArray[np.bool_] | None]:
    try:
        return pc.cast(values, type_), None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(values), type_), _null_mask(values)


def _equal(values: pa.Array, back: pa.Array) -> NDArray[np.bool_]:
    same = pc.fill_null(pc.equal(values, back), False).to_numpy(zero_copy_only=False)
    same |= _null_mask(values) & _null_mask(back)
    if t.is_floating(values.type):
        same |= _nan_mask(values) & _nan_mask(back)
    return np.asarray(same)


def _null_mask(values: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(values.is_null().to_numpy(zero_copy_only=False))


def _nan_mask(values: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(pc.is_nan(values), False).to_numpy(zero_copy_only=False))


def _is_flat(type_: pa.DataType) -> bool:
    return not t.is_nested(type_)

"""Columns as ranks: small integers in the order of the values, so that conditions become integer comparisons."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types as t

NULL, UNUSABLE = -1, -2


@dataclass(frozen=True)
class RankedColumn:
    """A column of the parent.

    Shapes: ranks (n,) int64, NULL at nulls, UNUSABLE at NaN, else the place of the value among `values`, which are
    distinct and ascending.
    """

    token: str
    ranks: NDArray[np.int64]
    values: pa.Array
    is_partition: bool = False


def can_rank(type_: pa.DataType) -> bool:
    """Whether conditions can be written on a column of this type."""
    if t.is_float16(type_):
        return False
    checks = (
        t.is_boolean, t.is_integer, t.is_floating, t.is_decimal, t.is_date, t.is_timestamp, t.is_string,
        t.is_large_string, t.is_binary, t.is_large_binary,
    )  # fmt: skip
    return any(check(type_) for check in checks)


def rank_column(token: str, values: pa.Array, is_partition: bool = False) -> RankedColumn:
    """Ranks the values: numbers by value (-0.0 is 0.0), text and bytes bytewise. O(n + d log d) for d distinct ones.

    Args:
        token: of the column.
        values: of a type for which `can_rank` holds.
        is_partition: whether it is a partition column of the parent.
    """
    is_nan = None
    if t.is_floating(values.type):
        values = pc.add(values, pa.scalar(0.0, values.type))
        is_nan = pc.fill_null(pc.is_nan(values), False).to_numpy(zero_copy_only=False)
        values = pc.if_else(pa.array(is_nan), pa.scalar(None, values.type), values)
    encoded = values.dictionary_encode()
    order = ascending(encoded.dictionary)
    rank_of = np.empty(len(order), np.int64)
    rank_of[order] = np.arange(len(order))
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    ranks = np.where(codes < 0, NULL, rank_of[codes] if len(order) else NULL)
    if is_nan is not None:
        ranks[is_nan] = UNUSABLE
    return RankedColumn(token, ranks, encoded.dictionary.take(pa.array(order)), is_partition)


def ascending(values: pa.Array) -> NDArray[np.int64]:
    """(n,) the places of the values in their order."""
    if t.is_boolean(values.type):
        values = values.cast(pa.uint8())
    return np.asarray(pc.array_sort_indices(values).to_numpy(), dtype=np.int64)

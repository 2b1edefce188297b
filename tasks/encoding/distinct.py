"""The distinct values of an array of numbers, by a sort."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def distinct(values: NDArray[Number]) -> NDArray[Number]:
    """The values once each, ascending; shapes (n,), result (u,). O(n log n).

    From numpy 2.3 on `np.unique` goes through a hash table, which takes up to twenty times as long on integers that
    repeat seldom. NaNs stay as many as they are.
    """
    ordered = np.sort(values, kind="quicksort")
    return ordered[is_first(ordered)]


def is_first(ordered: NDArray[Number]) -> NDArray[np.bool_]:
    """Whether each is another than the one before it, (n,)."""
    found = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=found[1:])
    return found

"""The types of the kernels' arguments, for numba and for readers.

Explicit signatures keep compilation out of the run: one a kernel, filled into the disk cache by set-up. Read-only forms
take writable arrays too. Every array is C-contiguous.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.core.types import Array, Tuple, UniTuple, boolean, float64, int64, uint8, uint64, void
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

WORDS = Array(uint64, 1, "C")
TABLE = Array(uint64, 2, "C")
INTEGERS = Array(int64, 1, "C")
READ_WORDS = Array(uint64, 1, "C", readonly=True)
READ_TABLE = Array(uint64, 2, "C", readonly=True)
READ_INTEGERS = Array(int64, 1, "C", readonly=True)
READ_FLOATS = Array(float64, 1, "C", readonly=True)
READ_BYTES = Array(uint8, 1, "C", readonly=True)


_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(signature: Any) -> Callable[[_Function], _Function]:
    """Compiles a function for one signature, or loads it from numba's disk cache."""
    return cast("Callable[[_Function], _Function]", njit(signature, cache=True, nogil=True))


def inner(function: _Function) -> _Function:
    """Compiles a function into the kernels that call it, which must stand in the same file.

    The disk cache notices changes of a kernel's own file only.
    """
    return cast("_Function", njit(function, nogil=True))


def tuple_of(*members: Any) -> Any:
    """A tuple type: numba tells tuples of one type from mixed ones."""
    if all(member == members[0] for member in members):
        return UniTuple(members[0], len(members))  # type: ignore[no-untyped-call]
    return Tuple(members)  # type: ignore[no-untyped-call]


__all__ = [
    "INTEGERS",
    "READ_BYTES",
    "READ_FLOATS",
    "READ_INTEGERS",
    "READ_TABLE",
    "READ_WORDS",
    "TABLE",
    "WORDS",
    "Integers",
    "Words",
    "boolean",
    "inner",
    "int64",
    "kernel",
    "tuple_of",
    "uint8",
    "uint64",
    "void",
]

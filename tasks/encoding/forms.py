"""The forms that canonical cells come in, and arrays without what does not matter to them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types as t

Words = NDArray[np.uint64]
Offsets = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FixedCells:
    """Cells of three words. Shapes: (n,) each."""

    tags: Words
    low: Words
    high: Words


@dataclass(frozen=True, slots=True)
class ByteCells:
    """Cells of one tag over bytes. Shapes: offsets (n + 1,) into data; is_null and depth (n,), or (0,): no nulls."""

    tag: int
    offsets: Offsets
    data: NDArray[np.uint8]
    is_null: NDArray[np.uint8]
    depth: Words


@dataclass(frozen=True, slots=True)
class WordCells:
    """Cells given as their words. Shapes: offsets (n + 1,) into words."""

    offsets: Offsets
    words: Words


@dataclass(frozen=True, slots=True)
class ListCells:
    """Lists of cells of three words: row i holds the items from starts[i] on, sizes[i] of them.

    Shapes: tags, seconds, starts, sizes (n,); a null row has its own tag and second word, and no items.
    """

    tags: Words
    seconds: Words
    starts: Offsets
    sizes: Offsets
    items: FixedCells


Cells = FixedCells | ByteCells | WordCells | ListCells


def plain(values: pa.Array) -> pa.Array:
    """The values without extension types and run ends; dictionaries stay."""
    while True:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        elif t.is_run_end_encoded(values.type):
            values = pc.run_end_decode(values)
        else:
            return values

"""Text in the printable characters of ASCII as people compare it: without case, and without blanks that say nothing."""

import numpy as np
import pyarrow as pa
from numba.core.types import Array
from numpy.typing import NDArray

from lakebed.tasks.encoding.signatures import INTEGERS, READ_BYTES, READ_INTEGERS, Integers, kernel, uint8, void

UInt8 = NDArray[np.uint8]

EMPTY, WORD, NUMBER_LIKE, OTHER = 0, 1, 2, 3
"""What a text is: nothing; a word; digits, points and signs alone; with other characters, and so not folded."""

_BYTES = Array(uint8, 1, "C")


def folded_ascii(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, UInt8]:
    """The texts trimmed, with single blanks, in lower case; and what each is. No text may be null.

    Shapes: both (n,). Those of kind OTHER are empty in the answer.
    """
    n = len(texts)
    offsets = np.frombuffer(texts.buffers()[1], np.int64, n + 1, 8 * texts.offset) if n else np.zeros(1, np.int64)
    held = texts.buffers()[2]
    data = np.frombuffer(held, np.uint8) if held is not None else np.empty(0, np.uint8)
    ends, kinds = np.empty(n + 1, np.int64), np.empty(n, np.uint8)
    folded = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    fold_ascii(offsets, data, ends, folded, kinds)
    return pa.LargeStringArray.from_buffers(n, pa.py_buffer(ends), pa.py_buffer(folded)), kinds


@kernel(void(READ_INTEGERS, READ_BYTES, INTEGERS, _BYTES, _BYTES))
def fold_ascii(offsets: Integers, data: UInt8, ends: Integers, folded: UInt8, kinds: UInt8) -> None:
    """Writes `ends` (n + 1,), the texts into `folded`, side by side, and `kinds` (n,); `offsets` (n + 1,) into data."""
    ends[0] = at = 0
    for i in range(len(kinds)):
        begun, is_blank, kind = at, False, NUMBER_LIKE
        for k in range(offsets[i], offsets[i + 1]):
            byte = data[k]
            if byte < 0x20 or byte > 0x7E:
                at, kind = begun, OTHER
                break
            if byte == 0x20:
                # at the end it says nothing
                is_blank = at > begun
                continue
            if is_blank:
                folded[at] = 0x20
                at, is_blank, kind = at + 1, False, WORD
            if 0x41 <= byte <= 0x5A:
                byte += 0x20
            if not (0x30 <= byte <= 0x39 or 0x2D <= byte <= 0x2E):
                kind = WORD
            folded[at] = byte
            at += 1
        kinds[i] = EMPTY if at == begun and kind != OTHER else kind
        ends[i + 1] = at


KERNELS = (fold_ascii,)

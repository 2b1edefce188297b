"""The canonical row encoding: injective words per cell, keyed 128-bit hashes per cell and row.

Import-light: the kernels, in the modules below, import numba, which takes more than a second.
"""

from lakebed.tasks.encoding.words import ENCODING_ID, OLDER_ENCODING_ID

__all__ = ["ENCODING_ID", "OLDER_ENCODING_ID", "compile_kernels"]


def compile_kernels() -> int:
    """Compiles every kernel of the encoding, or loads what an earlier process compiled; how many there are."""
    from lakebed.tasks.encoding.compile import compile_kernels

    return compile_kernels()

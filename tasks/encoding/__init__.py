"""The canonical row encoding: injective words per cell, keyed 128-bit hashes per cell and row.

Import-light: the kernels, in the modules below, import numba, which takes more than a second.
"""

from lakebed.tasks.encoding.words import ENCODING_ID

__all__ = ["ENCODING_ID"]

"""Fills numba's disk cache, so that no run waits for a compiler."""

from lakebed.tasks.encoding import aes, ascii_text, counting, lanes, multiset, nested, numeric, postings, siphash

MODULES = (aes, ascii_text, counting, lanes, multiset, nested, numeric, postings, siphash)
"""Those that have kernels."""


def compile_kernels() -> int:
    """Compiles every kernel with every signature that is called, or loads it from the disk cache.

    All kernels have explicit signatures, which numba compiles when their modules are imported.

    Returns: the number of compiled signatures.
    """
    kernels = [kernel for module in MODULES for kernel in module.KERNELS]
    return sum(len(kernel.signatures) for kernel in kernels)

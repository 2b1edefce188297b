"""Fills numba's disk cache, so that no run waits for a compiler."""

from lakebed.tasks.encoding import aes, counting, lanes, multiset, nested, numeric, postings, siphash


def compile_kernels() -> int:
    """Compiles every kernel with every signature that is called, or loads it from the disk cache.

    All kernels have explicit signatures, which numba compiles when their modules are imported.

    Returns: the number of compiled signatures.
    """
    modules = (aes, counting, lanes, multiset, nested, numeric, postings, siphash)
    kernels = [kernel for module in modules for kernel in module.KERNELS]
    return sum(len(kernel.signatures) for kernel in kernels)

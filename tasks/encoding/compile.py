"""Fills numba's disk cache, so that no run waits for a compiler."""

from lakebed.tasks.encoding import multiset, nested, numeric, postings, siphash


def compile_kernels() -> int:
    """Compiles every kernel with every signature that is called, or loads it from the disk cache.

    All kernels have explicit signatures, which numba compiles when their modules are imported.

    Returns: the number of compiled signatures.
    """
    kernels = [*siphash.KERNELS, *numeric.KERNELS, *nested.KERNELS, *multiset.KERNELS, *postings.KERNELS]
    return sum(len(kernel.signatures) for kernel in kernels)

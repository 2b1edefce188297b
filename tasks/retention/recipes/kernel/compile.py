"""Fills numba's disk cache with the kernels of recipes."""

from lakebed.tasks.retention.recipes.kernel import matching, search


def compile_kernels() -> int:
    """Compiles every kernel, or loads it from the disk cache; explicit signatures do that on import.

    Returns: the number of compiled signatures.
    """
    return sum(len(kernel.signatures) for kernel in (*matching.KERNELS, *search.KERNELS))

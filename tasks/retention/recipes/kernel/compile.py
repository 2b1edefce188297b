"""Fills numba's disk cache with the kernels of recipes."""

from tasks.retention.recipes.kernel.matching import locate
from tasks.retention.recipes.kernel.search import disjoint_pairs


def compile_kernels() -> int:
    """Compiles every kernel, or loads it from the disk cache; explicit signatures do that on import.

    Returns: the number of compiled signatures.
    """
    return sum(len(kernel.signatures) for kernel in (locate, disjoint_pairs))  # type: ignore[attr-defined]

"""What the processor that compiles has: AES instructions, of one block or of four, and masked loads.

None where numba is told to leave them alone. Each kernel that uses one stands beside a plain twin with equal bits.
"""

from llvmlite import binding  # type: ignore[import-untyped]
from numba.core import config as numba_config


def _features() -> frozenset[str]:
    """Of this machine; none where NUMBA_CPU_NAME or NUMBA_CPU_FEATURES name another one to compile for."""
    if any(getattr(numba_config, name) is not None for name in ("CPU_NAME", "CPU_FEATURES")):
        return frozenset()
    return frozenset(name for name, has in binding.get_host_cpu_features().items() if has)


HAS_AES = {"aes", "sse2"} <= _features()
HAS_WIDE_AES = HAS_AES and {"vaes", "avx512f"} <= _features()
HAS_MASKED_LOADS = {"avx512bw", "avx512dq"} <= _features()

"""What an embedding will take, said before it runs."""

from dataclasses import dataclass

# measured on one core: a product's cost an entry and column, everything else's cost a number
_PRODUCT_NS, _NUMBER_NS = 0.25, 15.0
_FIXED_BYTES = 200 << 20


@dataclass(frozen=True)
class Estimate:
    """CPU seconds of one thread, peak memory and what is written, in bytes."""

    cpu_s: float
    peak_bytes: int
    written_bytes: int

    def text(self) -> str:
        """One line."""
        return (
            f"embedding: about {self.cpu_s:,.1f} s of CPU, {self.peak_bytes / 1e6:,.0f} MB of memory, "
            f"{self.written_bytes / 1e6:,.0f} MB written"
        )


def estimate(n_nodes: int, n_entries: int, dim: int, n_powers: int, *, keeps_powers: bool) -> Estimate:
    """Three matrices and the graph in memory; each power and the vectors on disk."""
    n_numbers = n_nodes * dim
    seconds = n_powers * n_entries * dim * _PRODUCT_NS + (n_powers + 2) * n_numbers * _NUMBER_NS
    n_written = n_numbers * (1 + n_powers * keeps_powers)
    return Estimate(seconds * 1e-9, 12 * n_numbers + 12 * n_entries + _FIXED_BYTES, 4 * n_written)

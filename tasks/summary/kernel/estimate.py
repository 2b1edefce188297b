"""What a summary will cost, before it is begun."""

import os
from dataclasses import dataclass

from lakebed.connectors.errors import GraphError

_EDGE_BYTES, _EDGE_PEAK_BYTES = 8, 150
_NODE_BYTES, _NODE_PEAK_BYTES = 8, 120
_SECONDS_AN_EDGE = 8e-6


@dataclass(frozen=True)
class Estimate:
    """Bytes of the loaded graph, bytes above it at the peak, CPU seconds of twenty iterations; rough upper bounds."""

    graph_bytes: int
    peak_bytes: int
    cpu_s: float

    @property
    def total_bytes(self) -> int:
        """Graph and work together."""
        return self.graph_bytes + self.peak_bytes


def estimate(n_nodes: int, n_edges: int) -> Estimate:
    """Memory and time of the local kernel; hub-heavy graphs set the constant of time."""
    return Estimate(
        graph_bytes=_EDGE_BYTES * n_edges + _NODE_BYTES * n_nodes,
        peak_bytes=_EDGE_PEAK_BYTES * n_edges + _NODE_PEAK_BYTES * n_nodes,
        cpu_s=_SECONDS_AN_EDGE * n_edges,
    )


def available_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def require_memory(n_nodes: int, n_edges: int) -> Estimate:
    """The estimate, where it fits into this machine's memory.

    Raises:
        GraphError: if it does not.
    """
    found, limit = estimate(n_nodes, n_edges), available_bytes()
    if found.total_bytes > limit:
        raise GraphError(
            "the graph is too large for this machine's memory",
            value=f"{n_nodes:,} nodes, {n_edges:,} edges: about {found.total_bytes:,} bytes",
            expected=f"at most {limit:,} bytes",
            hint="lower `summary.local_max_edges`, so that Spark makes the summary",
        )
    return found

"""Which way a product goes, on the summary or on the graph: an estimate that is the same on every machine.

Both ways walk over rows (nodes that are read and written in order) and add rows (partners and children, or neighbours,
from anywhere). A row costs a constant and something a column; what does not fit into the cache costs more. The weights
were fitted once to the ten graphs of `tests.benchmarks.operator` at 16 and 128 columns, on an idle and on a busy
machine. Nothing is timed when a choice is made, so it can stand in the key of an artifact.
"""

import math
from dataclasses import dataclass
from typing import Literal

from lakebed.tasks.summary.kernel.blocks import column_blocks
from lakebed.tasks.summary.kernel.csr import is_packed
from lakebed.tasks.summary.kernel.model import Layout, Summary

Way = Literal["summary", "csr"]
CACHE_BYTES = 1 << 19


@dataclass(frozen=True)
class Choice:
    """The way, and what each way was estimated to cost, in nanoseconds of one thread of the machine of the fit."""

    way: Way
    summary_cost: float = math.nan
    csr_cost: float = math.nan

    @staticmethod
    def only(way: Way) -> "Choice":
        """The choice where there is nothing to choose from."""
        return Choice(way)


@dataclass(frozen=True)
class _Weights:
    """Nanoseconds a row walked over and a row added, fixed and a column; what a doubling beyond the cache adds."""

    row: float
    row_column: float
    added: float
    added_column: float
    doubling: float


SUMMARY = _Weights(row=7.1, row_column=0.05, added=0.79, added_column=0.013, doubling=0.79)
CSR = _Weights(row=10.3, row_column=0.06, added=0.05, added_column=0.0315, doubling=0.147)


def choose(summary: Layout | Summary, n_entries: int, n_columns: int) -> Choice:
    """The cheaper way for a product with `n_columns` columns.

    Args:
        summary: laid out or not.
        n_entries: of the adjacency, two an edge.
        n_columns: of the dense matrix.
    """
    on_summary = on_csr = 0.0
    for width, _ in column_blocks(-(-n_columns // 16) * 16 if n_columns > 1 else 1, 1):
        n_rows, n_values = summary.n_forest + summary.n_nodes, summary.n_forest * width
        on_summary += _cost(SUMMARY, n_rows, summary.n_added, width, n_values)
        apart = width if is_packed(n_columns, width) else n_columns
        on_csr += _cost(CSR, summary.n_nodes, n_entries, width, summary.n_nodes * apart)
    return Choice("summary" if on_summary < on_csr else "csr", on_summary, on_csr)


def _cost(weights: _Weights, n_rows: int, n_added: int, width: int, n_values: int) -> float:
    beyond = 1 + weights.doubling * max(0.0, math.log2(max(1, 4 * n_values) / CACHE_BYTES))
    rows = n_rows * (weights.row + weights.row_column * width * beyond)
    return rows + n_added * (weights.added + weights.added_column * width * beyond)

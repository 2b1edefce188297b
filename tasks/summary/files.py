"""From an edge file to a summary in a folder, by itself: no lake, no Spark."""

import hashlib
from dataclasses import dataclass

from lakebed.connectors.edges import EdgeTable, Weights, read_edges
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.summary.build import counts, graph_facts, with_progress
from lakebed.tasks.summary.checkpoint import Checkpoint
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.export import WEIGHTS, StoredSummary, save
from lakebed.tasks.summary.kernel.graph import Graph, Keys, from_edges
from lakebed.tasks.summary.kernel.merging import MergeLog
from lakebed.tasks.summary.verify import require_lossless


@dataclass(frozen=True)
class EdgeFile:
    """An edge file, and whether a third column is refused, dropped or kept."""

    path: str
    weights: Weights = "refuse"


def summarize_file(file: EdgeFile, config: SummaryConfig, out: str | None = None) -> StoredSummary:
    """Reads, merges with a checkpoint an iteration in `out`, decodes, and writes the summary to `out`.

    Stopped in between, the same call goes on after the last finished iteration.

    Raises:
        ConfigError: if there is no such file.
        GraphError: if it has wrong rows or is too large.
        StageError: if the summary does not decode to the graph.
    """
    with shown().step("Reading the edges"):
        table = read_edges(file.path, file.weights)
        graph, keys = _graph(table)
    checkpoint = _Nowhere() if out is None else Checkpoint(Storage.at(out), "", _identity(graph, config))
    summary, log = with_progress(graph, config, checkpoint)
    with shown().step("Decoding the summary"):
        require_lossless(summary, graph.edges())
    stored = StoredSummary(summary, keys, counts(summary, graph_facts(graph) | {"iterations": len(log.ends)}))
    if out is not None:
        save(out, stored)
        if table.weight is not None:
            _save_weights(out, table)
        checkpoint.clear()
    return stored


def _graph(table: EdgeTable) -> tuple[Graph, Keys]:
    source, target = (column.to_numpy(zero_copy_only=False) for column in (table.source, table.target))
    if not table.is_integer:
        source, target = source.astype(str), target.astype(str)
    return from_edges(source, target)


def _identity(graph: Graph, config: SummaryConfig) -> str:
    found = hashlib.sha256(canonical_json(config.result_part()).encode())
    found.update(graph.indptr.tobytes())
    found.update(graph.neighbours.tobytes())
    return found.hexdigest()


def _save_weights(out: str, table: EdgeTable) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    data = io.BytesIO()
    pq.write_table(pa.table({"source": table.source, "target": table.target, "weight": table.weight}), data)
    Storage.at(out).write_bytes_atomic(WEIGHTS, data.getvalue())


class _Nowhere(Checkpoint):
    """Keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Storage.at("."), "", "")

    def load(self) -> MergeLog:
        """No merge."""
        return MergeLog.none()

    def save(self, log: MergeLog) -> None:
        """Nothing."""

    def clear(self) -> None:
        """Nothing."""

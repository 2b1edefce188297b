"""A summary that starts from that of an earlier lake graph."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.errors import ArtifactError, LakeError
from lakebed.connectors.lake.files import file_digest
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.encoding.sip_hashes import value_hashes
from lakebed.tasks.runtime.artifacts import ArtifactRef, Manifest
from lakebed.tasks.runtime.stage import Stage
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.export import load_arrays
from lakebed.tasks.summary.kernel.graph import Graph
from lakebed.tasks.summary.kernel.model import Summary
from lakebed.tasks.summary.kernel.rewriting import carried_over
from lakebed.tasks.summary.verify import require_lossless

_HASH_KEY = b"lakebed-node-key"
ANEW_RATIO = "ratio_anew"
"""What a manifest calls the relative size of the last summary that was made anew."""
MAX_GROWTH = 0.01
"""Of the relative size since then; with more, the next is made anew: half of what a start may cost."""


@dataclass(frozen=True)
class Start:
    """A summary from an earlier one, proven lossless; None with the reason where all is to be made anew.

    Attributes:
        facts: what the manifest says of it beside the counts.
        changes: of nodes and rows, for the run's record.
    """

    summary: Summary | None
    why_not: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)


def summary_from_start(
    stage: Stage, start: Manifest, lakegraph: ArtifactRef, graph: Graph, config: SummaryConfig, share: float
) -> Start:
    """Carries the summary of the stage's start over to a lake graph.

    Args:
        stage: whose artifact is about to be made.
        start: an artifact of the stage.
        lakegraph: what is summarised.
        graph: the same, read.
        config: of the merging.
        share: of the edges that may be other.
    """
    try:
        earlier, now = _earlier(stage, start, lakegraph)
        found = carried_over(earlier, graph, now, config)
        n_new = graph.n_nodes - int((now >= 0).sum())
        if found.n_pairs > share * graph.n_edges:
            return Start(None, f"{found.n_pairs / graph.n_edges:.1%} of the edges are other")
        ratio = float(str(start.summary.get(ANEW_RATIO, start.summary["ratio"])))
        grown = found.summary.cost() / graph.n_edges / ratio - 1
        if grown > MAX_GROWTH:
            return Start(None, f"it would be {grown:.1%} larger for its edges than when it was last made anew")
        require_lossless(found.summary, graph.edges())
    except (LakeError, ValueError, OSError) as error:
        # whatever is wrong with the start, or with what came of it: a full run needs neither
        return Start(None, f"the previous one cannot be used: {str(error).splitlines()[0][:120]}")
    changes = {
        "nodes_reused": graph.n_nodes - n_new,
        "nodes_new": n_new,
        "nodes_dropped": int((now < 0).sum()),
        "rows_changed": found.n_rows,
    }
    return Start(found.summary, facts={ANEW_RATIO: ratio, "iterations": 0}, changes=changes)


def _earlier(stage: Stage, start: Manifest, lakegraph: ArtifactRef) -> tuple[Summary, NDArray[np.int32]]:
    """The start's summary, and the node that each of its vertices is now, -1 where it is gone; nodes by their keys.

    Raises:
        ArtifactError: if it, or the lake graph that it is of, is gone or damaged.
    """
    (of,) = start.inputs
    stage.store.manifest(of)
    folder = f"{start.stage}/{start.key}"
    for path, entry in start.files.items():
        with stage.store.storage.open(f"{folder}/{path}") as stream:
            if file_digest(stream) != entry.sha256:
                raise ArtifactError("a file of an artifact is damaged", value=stage.store.storage.uri(folder, path))
    before, after = (_keys(stage, ref) for ref in (of, lakegraph))
    order = np.argsort(after)
    at = order[np.minimum(np.searchsorted(after[order], before), max(len(after) - 1, 0))]
    now = np.where(after[at] == before, at, -1).astype(np.int32)
    return load_arrays(stage.store.folder(start.stage, start.key), len(before)), now


def _keys(stage: Stage, ref: ArtifactRef) -> NDArray[np.uint64]:
    """A hash of each node's key, by node.

    Raises:
        ArtifactError: if two nodes share one.
    """
    nodes = stage.read(ref, "nodes", ["node_id", "key"]).sort_by("node_id")
    found = value_hashes(nodes["key"].combine_chunks(), None, _HASH_KEY)
    if len(distinct(found)) < len(found):
        raise ArtifactError("two nodes of a lake graph share a hash", value=ref.key)
    return found

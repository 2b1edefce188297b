"""The summary stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.config import IncrementalConfig
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.stage import Stage
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.contract import CONTRACTS


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Summarises the graph of an artifact with tables `nodes` and `edges`.

    Raises:
        GraphError: if the graph is too large or its edges are wrong.
        StageError: if the summary does not decode to the graph.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    from lakebed.tasks.summary.build import build_artifact

    share = inputs.section(IncrementalConfig).changed_share
    return build_artifact(stage, inputs.ref("lakegraph"), inputs.workspace, inputs.section(SummaryConfig), share)


def _may_start(stage: Stage, inputs: Inputs) -> bool:
    """Where one machine makes it, and it is large enough that going on from the previous one pays."""
    graph = stage.store.peek("lakegraph", inputs.ref("lakegraph").key)
    n_edges = graph.tables["edges"].n_rows if graph else 0
    least, most = inputs.section(IncrementalConfig).least_edges, inputs.section(SummaryConfig).local_max_edges
    return least <= n_edges <= most


def _warm() -> None:
    import lakebed.tasks.summary.build  # noqa: F401 - what it imports takes long


SUMMARY = StageDef(
    name="summary",
    version=1,
    contracts=CONTRACTS,
    requires=("lakegraph",),
    key_parts=lambda inputs: KeyParts(inputs.section(SummaryConfig).result_part()),
    build=_build,
    may_start=_may_start,
    warm=_warm,
)

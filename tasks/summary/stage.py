"""The summary stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.runtime.artifacts import ArtifactRef
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

    return build_artifact(stage, inputs.ref("lakegraph"), inputs.workspace, inputs.section(SummaryConfig))


def _warm() -> None:
    import lakebed.tasks.summary.build  # noqa: F401 - what it imports takes long


SUMMARY = StageDef(
    name="summary",
    version=1,
    contracts=CONTRACTS,
    requires=("lakegraph",),
    key_parts=lambda inputs: KeyParts(inputs.section(SummaryConfig).result_part()),
    build=_build,
    warm=_warm,
)

"""The summary stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.contract import CONTRACTS

SPEC = StageSpec("summary", 1, CONTRACTS)


def summary_stage(graph: ArtifactRef, workspace: Workspace, config: SummaryConfig) -> Stage:
    """The stage under its key; settings that do not show in the result are no part of it."""
    return Stage(SPEC, inputs=[graph], config=config.result_part(), workspace=workspace)


def run_summary(graph: ArtifactRef, workspace: Workspace, config: SummaryConfig) -> ArtifactRef:
    """Summarises the graph of an artifact with tables `nodes` and `edges`, or reuses the artifact that has it.

    Raises:
        GraphError: if the graph is too large or its edges are wrong.
        StageError: if the summary does not decode to the graph.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    stage = summary_stage(graph, workspace, config)
    if ref := stage.reuse():
        return ref
    from lakebed.tasks.summary.build import build_artifact

    return build_artifact(stage, graph, workspace, config)

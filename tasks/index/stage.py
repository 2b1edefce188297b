"""The index stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from tasks.index.config import IndexConfig
from tasks.index.contract import CONTRACTS
from tasks.runtime.artifacts import ArtifactRef
from tasks.runtime.stage import Stage, StageSpec
from tasks.runtime.workspace import Workspace

SPEC = StageSpec("index", 1, CONTRACTS)


def index_stage(lakegraph: ArtifactRef, embeddings: ArtifactRef, workspace: Workspace, config: IndexConfig) -> Stage:
    """The stage under its key, which follows from its inputs' digests and its config."""
    return Stage(SPEC, inputs=[lakegraph, embeddings], config=config, workspace=workspace)


def run_index(
    lakegraph: ArtifactRef, embeddings: ArtifactRef, workspace: Workspace, config: IndexConfig
) -> ArtifactRef:
    """Builds the index over the graph's vectors, or reuses it.

    Raises:
        GraphError: if a vector has NaN or infinity, or no direction; if nothing is there to index.
        ContractError: if the result breaks its contract.
        ArtifactError: if an input is damaged, or the index cannot be written.
    """
    stage = index_stage(lakegraph, embeddings, workspace, config)
    if ref := stage.reuse():
        return ref
    from tasks.index.build import build_artifact

    return build_artifact(stage, lakegraph, embeddings, workspace, config)

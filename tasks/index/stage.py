"""The index stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.connectors.errors import StageError
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

SPEC = StageSpec("index", 2, CONTRACTS)


def index_stage(
    lakegraph: ArtifactRef,
    embeddings: ArtifactRef,
    workspace: Workspace,
    config: IndexConfig,
    links: ArtifactRef | None = None,
) -> Stage:
    """The stage under its key, which follows from its inputs' digests and its config."""
    inputs = [lakegraph, embeddings] if links is None else [lakegraph, embeddings, links]
    return Stage(SPEC, inputs=inputs, config=config, workspace=workspace)


def run_index(
    lakegraph: ArtifactRef,
    embeddings: ArtifactRef,
    workspace: Workspace,
    config: IndexConfig,
    links: ArtifactRef | None = None,
) -> ArtifactRef:
    """Builds the index over the graph's vectors, or reuses it.

    Raises:
        GraphError: if a vector has NaN or infinity, or no direction; if nothing is there to index.
        ContractError: if the result breaks its contract.
        ArtifactError: if an input is damaged, or the index cannot be written.
        StageError: if the config wants vectors of a link predictor and none is given.
    """
    if config.vectors != "fastrp" and links is None:
        raise StageError(
            "the index is to be built from vectors of the link predictor, and there is none",
            value=config.vectors,
            expected="a links artifact of the same lake graph",
            hint='lakebed run --to index trains one, or set index.vectors = "fastrp"',
        )
    stage = index_stage(lakegraph, embeddings, workspace, config, links)
    if ref := stage.reuse():
        return ref
    from lakebed.tasks.index.build import build_artifact

    return build_artifact(stage, (lakegraph, embeddings, links), workspace, config)

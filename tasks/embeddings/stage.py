"""The embeddings stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.contract import CONTRACTS, POWERS_CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

SPEC = StageSpec("embeddings", 1, CONTRACTS)
POWERS_SPEC = StageSpec("powers", 1, POWERS_CONTRACTS)


def embeddings_stage(
    lakegraph: ArtifactRef, summary: ArtifactRef | None, workspace: Workspace, config: EmbeddingsConfig
) -> Stage:
    """The stage under its key; the way that products go follows from the inputs and the config."""
    inputs = [lakegraph] if summary is None else [lakegraph, summary]
    return Stage(SPEC, inputs=inputs, config=config.result_part(), workspace=workspace)


def powers_stage(stage: Stage, config: EmbeddingsConfig, *, is_local: bool) -> Stage:
    """Where the powers of an embeddings stage lie: under a key without weights, so that other weights find them."""
    identity = [b"local" if is_local else f"spark {config.rows_per_block}".encode()]
    return Stage(
        POWERS_SPEC, inputs=stage.inputs, config=config.powers_part(), workspace=stage.workspace, identity=identity
    )


def run_embeddings(
    lakegraph: ArtifactRef, summary: ArtifactRef | None, workspace: Workspace, config: EmbeddingsConfig
) -> ArtifactRef:
    """Makes a vector for every node of a graph, or reuses the artifact that has them.

    Args:
        lakegraph: artifact with the tables `nodes` and `edges`.
        summary: of that graph, if there is one; used where it makes products cheaper.
        workspace: of the run.
        config: of the embedding.

    Raises:
        GraphError: if the graph is empty, or a vector comes out zero or not finite.
        ConfigError: if a feature or a kind of edge is not in the graph.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    stage = embeddings_stage(lakegraph, summary, workspace, config)
    if ref := stage.reuse():
        return ref
    from lakebed.tasks.embeddings.build import build_artifact

    return build_artifact(stage, lakegraph, summary, config)

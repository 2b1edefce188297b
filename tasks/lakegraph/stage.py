"""The lakegraph stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

SPEC = StageSpec("lakegraph", 1, CONTRACTS)


def lakegraph_stage(inventory: ArtifactRef, workspace: Workspace, config: LakeGraphConfig) -> Stage:
    """The stage under its key; the identity of the lake's files is part of it, because data is read again."""
    summary = ArtifactStore(workspace.artifacts).manifest(inventory).summary
    identity = [str(summary["source_identity"]).encode(), str(workspace.lake.ignore_column_case).encode()]
    return Stage(SPEC, inputs=[inventory], config=config, workspace=workspace, identity=identity)


def run_lakegraph(inventory: ArtifactRef, workspace: Workspace, config: LakeGraphConfig) -> ArtifactRef:
    """Makes the graph of the lake's tables, columns and values, or of an edge table, or reuses it.

    Raises:
        ConfigError: if the edge table or one of its columns is not there.
        SourceError: under `lake.strict`, if a table cannot be read; an edge table that cannot be.
        GraphError: if an edge table gives no edge, or a weight is no number ≥ 0.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    stage = lakegraph_stage(inventory, workspace, config)
    if ref := stage.reuse():
        return ref
    from lakebed.tasks.lakegraph.build import build_artifact

    return build_artifact(stage, inventory, workspace, config)

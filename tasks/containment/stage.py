"""The containment stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

SPEC = StageSpec("containment", 1, CONTRACTS)


def containment_stage(inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig) -> Stage:
    """The stage under its key.

    The identity of the lake's files is part of it, because data is read again, and so is that of the hash key, which
    the config does not tell.
    """
    manifest = ArtifactStore(workspace.artifacts).manifest(inventory)
    settings = [str(workspace.lake.ignore_column_case).encode(), config.key_id.encode()]
    identity = [str(manifest.summary["source_identity"]).encode(), *settings]
    family = [manifest.family.encode(), *settings]
    return Stage(SPEC, inputs=[inventory], config=config, workspace=workspace, identity=identity, family=family)


def run_containment(inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig) -> ArtifactRef:
    """Finds and proves every containment among the inventory's tables, or reuses the artifact that has them.

    Raises:
        SourceError: under `lake.strict`, if a table cannot be read.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    stage = containment_stage(inventory, workspace, config)
    if ref := stage.reuse():
        return ref
    from lakebed.tasks.containment.build import build_artifact

    return build_artifact(stage, inventory, workspace, config)

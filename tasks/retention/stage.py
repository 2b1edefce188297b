"""The retention stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

SPEC = StageSpec("retention", 2, CONTRACTS)


def retention_stage(
    inventory: ArtifactRef,
    containment: ArtifactRef,
    workspace: Workspace,
    config: RetentionConfig,
    relations: ArtifactRef | None = None,
) -> Stage:
    """The stage under its key: the lake's files are part of it, because data is read again, and the access log.

    Raises:
        ConfigError: if the access log is not there.
    """
    from lakebed.tasks.retention.accesses import log_identity

    summary = ArtifactStore(workspace.artifacts).manifest(inventory).summary
    identity = [str(summary["source_identity"]).encode(), log_identity(config.accesses).encode()]
    inputs = [inventory, containment, *([relations] if relations else [])]
    return Stage(SPEC, inputs=inputs, config=config, workspace=workspace, identity=identity)


def run_retention(
    inventory: ArtifactRef,
    containment: ArtifactRef,
    workspace: Workspace,
    config: RetentionConfig,
    containment_config: ContainmentConfig,
    relations: ArtifactRef | None = None,
) -> ArtifactRef:
    """Decides what to keep, with a rebuild that was run for each table that may go; or reuses the artifact.

    Args:
        inventory: artifact of that stage.
        containment: artifact of that stage.
        workspace: lake, artifacts and session.
        config: of this stage.
        containment_config: whose hash key the strict hashes use.
        relations: artifact of that stage, where tables may be rebuilt from several others.

    Raises:
        ConfigError: if the access log cannot be read.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    stage = retention_stage(inventory, containment, workspace, config, relations)
    if ref := stage.reuse():
        return ref
    from lakebed.tasks.retention.build import build_artifact

    return build_artifact(stage, config, containment_config)

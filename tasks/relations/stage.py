"""The relations stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

SPEC = StageSpec("relations", 1, CONTRACTS)


def relations_stage(
    inventory: ArtifactRef,
    containment: ArtifactRef,
    workspace: Workspace,
    config: RelationsConfig,
    containment_config: ContainmentConfig,
) -> Stage:
    """The stage under its key.

    Beside its inputs and config: the identity of the lake's files, because data is read again, and containment's
    settings and hash key, under which rows are compared.
    """
    summary = ArtifactStore(workspace.artifacts).manifest(inventory).summary
    identity = [str(summary["source_identity"]).encode(), str(workspace.lake.ignore_column_case).encode()]
    identity += [canonical_json(containment_config).encode(), containment_config.key_id.encode()]
    return Stage(SPEC, inputs=[inventory, containment], config=config, workspace=workspace, identity=identity)


def run_relations(
    inventory: ArtifactRef,
    containment: ArtifactRef,
    workspace: Workspace,
    config: RelationsConfig,
    containment_config: ContainmentConfig,
) -> ArtifactRef:
    """Finds relations beyond containment in one table, or reuses the artifact that has them.

    Raises:
        SourceError: under `lake.strict`, if a table cannot be read or changes meanwhile.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    stage = relations_stage(inventory, containment, workspace, config, containment_config)
    if ref := stage.reuse():
        return ref
    from lakebed.tasks.relations.build import build_artifact

    return build_artifact(stage, workspace, config, containment_config)

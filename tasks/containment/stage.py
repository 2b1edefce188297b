"""The containment stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.hash_key import key_id
from lakebed.tasks.runtime.stage import Stage


def _key_parts(inputs: Inputs) -> KeyParts:
    """The identity of the lake's files, because data is read again, and that of the hash key, which no config tells."""
    workspace, config = inputs.workspace, inputs.section(ContainmentConfig)
    manifest = ArtifactStore(workspace.artifacts).manifest(inputs.ref("inventory"))
    settings = (str(workspace.lake.ignore_column_case).encode(), key_id(config.key_at(workspace.artifacts)).encode())
    identity = (str(manifest.summary["source_identity"]).encode(), *settings)
    return KeyParts(config, identity, (manifest.family.encode(), *settings))


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Finds and proves every containment among the inventory's tables.

    Raises:
        SourceError: under `lake.strict`, if a table cannot be read.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    from lakebed.tasks.containment.build import build_artifact

    return build_artifact(stage, inputs.ref("inventory"), inputs.workspace, inputs.section(ContainmentConfig))


def _warm() -> None:
    from lakebed.tasks.containment.kernel.compile import compile_kernels

    compile_kernels()


CONTAINMENT = StageDef(
    name="containment",
    version=2,
    contracts=CONTRACTS,
    requires=("inventory",),
    key_parts=_key_parts,
    build=_build,
    warm=_warm,
    needs_engine=True,
    needs_rows=True,
    reads_lake=True,
)

"""The relations stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.hash_key import key_id
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.stage import Stage


def _key_parts(inputs: Inputs) -> KeyParts:
    """The identity of the lake's files, because data is read again, and containment's settings and hash key."""
    workspace, containment = inputs.workspace, inputs.section(ContainmentConfig)
    summary = ArtifactStore(workspace.artifacts).manifest(inputs.ref("inventory")).summary
    lake = (str(summary["source_identity"]).encode(), str(workspace.lake.ignore_column_case).encode())
    rows = (canonical_json(containment).encode(), key_id(containment.key_at(workspace.artifacts)).encode())
    return KeyParts(inputs.section(RelationsConfig), (*lake, *rows), (lake[1], *rows))


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Finds relations beyond containment, in one table.

    Raises:
        SourceError: under `lake.strict`, if a table cannot be read or changes meanwhile.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    from lakebed.tasks.relations.build import build_artifact

    return build_artifact(stage, inputs.workspace, inputs.section(RelationsConfig), inputs.section(ContainmentConfig))


def _warm() -> None:
    from lakebed.tasks.relations.kernel.compile import compile_kernels

    compile_kernels()


RELATIONS = StageDef(
    name="relations",
    version=1,
    contracts=CONTRACTS,
    requires=("inventory", "containment"),
    key_parts=_key_parts,
    build=_build,
    warm=_warm,
    needs_engine=True,
    reads_lake=True,
)

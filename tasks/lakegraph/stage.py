"""The lakegraph stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.stage import Stage


def _key_parts(inputs: Inputs) -> KeyParts:
    """The identity of the lake's files, because data is read again."""
    summary = ArtifactStore(inputs.workspace.artifacts).manifest(inputs.ref("inventory")).summary
    is_folded = str(inputs.workspace.lake.ignore_column_case).encode()
    return KeyParts(
        inputs.section(LakeGraphConfig), (str(summary["source_identity"]).encode(), is_folded), (is_folded,)
    )


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Makes the graph of the lake's tables, columns and values, or of an edge table.

    Raises:
        ConfigError: if the edge table or one of its columns is not there.
        SourceError: under `lake.strict`, if a table cannot be read; an edge table that cannot be.
        GraphError: if an edge table gives no edge, or a weight is no number ≥ 0.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    from lakebed.tasks.lakegraph.build import build_artifact

    return build_artifact(stage, inputs.ref("inventory"), inputs.workspace, inputs.section(LakeGraphConfig))


def _warm() -> None:
    import lakebed.tasks.lakegraph.build  # noqa: F401 - what it imports takes long


LAKEGRAPH = StageDef(
    name="lakegraph",
    version=2,
    contracts=CONTRACTS,
    requires=("inventory",),
    key_parts=_key_parts,
    build=_build,
    warm=_warm,
    needs_engine=True,
    reads_lake=True,
)

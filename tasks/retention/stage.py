"""The retention stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.stage import Stage


def _key_parts(inputs: Inputs) -> KeyParts:
    """The identity of the lake's files, because data is read again, and that of the access log.

    Raises:
        ConfigError: if the access log is not there.
    """
    from lakebed.tasks.retention.accesses import log_identity

    config = inputs.section(RetentionConfig)
    summary = ArtifactStore(inputs.workspace.artifacts).manifest(inputs.ref("inventory")).summary
    identity = (str(summary["source_identity"]).encode(), log_identity(config.accesses).encode())
    # trials of Delta tables have read columns whose names have capitals as null there
    again = (b"names as in the files",) if inputs.workspace.lake.ignore_column_case else ()
    return KeyParts(config.deciding(), identity + again)


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Decides what to keep, with a rebuild that was run for each table that may go.

    Raises:
        ConfigError: if the access log cannot be read.
        ContractError: if the result breaks its contract.
        ArtifactError: if it cannot be written.
    """
    from lakebed.tasks.retention.build import build_artifact

    return build_artifact(stage, inputs.section(RetentionConfig), inputs.section(ContainmentConfig))


def _warm() -> None:
    from lakebed.tasks.retention.kernel.compile import compile_kernels

    compile_kernels()


RETENTION = StageDef(
    name="retention",
    version=2,
    contracts=CONTRACTS,
    requires=("inventory", "containment", "relations"),
    # without it no table may be rebuilt from several others
    may_lack=("relations",),
    key_parts=_key_parts,
    build=_build,
    warm=_warm,
    needs_engine=True,
    reads_lake=True,
    packages=("scipy",),
)

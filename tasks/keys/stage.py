"""The keys stage: its key, and whether its artifact is there; imports no kernel until it is not."""

import hashlib
from pathlib import Path

from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.stage import Stage

TREES = Path(__file__).with_name("trees.json")


def who_decides(config: KeysConfig) -> bytes:
    """A digest of the trees, where they decide; the rule is code, and the version's of the stage that asks it."""
    is_asked = config.model == "trees" and TREES.is_file()
    return hashlib.sha256(TREES.read_bytes()).digest() if is_asked else b"rule"


def _key_parts(inputs: Inputs) -> KeyParts:
    config = inputs.section(KeysConfig)
    return KeyParts(config, (who_decides(config),))


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Finds primary and foreign keys in what the lake graph knows of the columns.

    Raises:
        ContractError: if the result breaks its contract.
        ArtifactError: if an input or the trees' file is damaged, or the artifact cannot be written.
    """
    from lakebed.tasks.keys.build import build_artifact

    return build_artifact(stage, inputs.ref("lakegraph"), inputs.section(KeysConfig))


def _warm() -> None:
    from lakebed.tasks.keys.kernel.compile import compile_kernels

    compile_kernels()


KEYS = StageDef(
    name="keys",
    version=2,
    contracts=CONTRACTS,
    requires=("lakegraph",),
    key_parts=_key_parts,
    build=_build,
    warm=_warm,
)

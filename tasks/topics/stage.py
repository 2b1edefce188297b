"""The topics stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.stage import who_decides
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.stage import Stage
from lakebed.tasks.topics.config import TopicsConfig
from lakebed.tasks.topics.contract import CONTRACTS


def _key_parts(inputs: Inputs) -> KeyParts:
    """Of the keys' settings only who says how likely one is."""
    return KeyParts(inputs.section(TopicsConfig), (who_decides(inputs.section(KeysConfig)),))


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Joins tables by likely keys, links them to a tree, cuts it to topics and names them.

    Raises:
        ContractError: if the result breaks its contract.
        ArtifactError: if an input or the trees' file is damaged, or the artifact cannot be written.
    """
    from lakebed.tasks.topics.build import build_artifact

    sections = inputs.section(TopicsConfig), inputs.section(KeysConfig)
    return build_artifact(stage, inputs.ref("lakegraph"), *sections)


def _warm() -> None:
    from lakebed.tasks.topics.kernel.compile import compile_kernels

    compile_kernels()


TOPICS = StageDef(
    name="topics",
    version=3,
    contracts=CONTRACTS,
    requires=("lakegraph",),
    key_parts=_key_parts,
    build=_build,
    warm=_warm,
)

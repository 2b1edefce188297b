"""The links stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from importlib.util import find_spec

from lakebed.connectors.errors import StageError
from lakebed.connectors.extras import extra_hint
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.stage import Stage


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Trains the ladder on a graph and predicts missing links.

    Raises:
        StageError: if torch is not installed.
        ContractError: if the result breaks its contract.
        ArtifactError: if a checkpoint is of another training, or something cannot be written.
    """
    require_torch()
    from lakebed.tasks.links.build import build_artifact

    refs = (inputs.ref("lakegraph"), inputs.ref("keys"))
    return build_artifact(stage, refs, inputs.workspace, inputs.section(LinksConfig))


def require_torch() -> None:
    """Raises: StageError: if what the stage trains with is not installed."""
    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise StageError(
            "the links stage needs packages that are not installed",
            value=", ".join(missing),
            expected="the extra `links`",
            hint=f'{extra_hint("links")}, or end the run before, with --to index and index.vectors = "fastrp"',
        )


LINKS = StageDef(
    name="links",
    version=4,
    contracts=CONTRACTS,
    # it embeds and summarises the training part of the graph itself
    requires=("lakegraph", "keys"),
    key_parts=lambda inputs: KeyParts(inputs.section(LinksConfig).in_key()),
    build=_build,
    packages=("torch", "safetensors", "scipy"),
)

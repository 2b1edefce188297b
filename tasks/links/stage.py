"""The links stage: its key, and whether its artifact is there; imports no kernel until it is not."""

from importlib.util import find_spec

from lakebed.connectors.errors import StageError
from lakebed.connectors.extras import extra_hint
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.contract import CONTRACTS
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.stage import Stage, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

SPEC = StageSpec("links", 2, CONTRACTS)


def links_stage(lakegraph: ArtifactRef, workspace: Workspace, config: LinksConfig) -> Stage:
    """The stage under its key: it reads the graph alone, and embeds and summarises the training part of it itself."""
    return Stage(SPEC, inputs=[lakegraph], config=config.in_key(), workspace=workspace)


def run_links(lakegraph: ArtifactRef, workspace: Workspace, config: LinksConfig) -> ArtifactRef:
    """Trains the ladder on a graph and predicts missing links, or reuses the artifact that has them.

    Raises:
        StageError: if torch is not installed.
        ContractError: if the result breaks its contract.
        ArtifactError: if a checkpoint is of another training, or something cannot be written.
    """
    stage = links_stage(lakegraph, workspace, config)
    if ref := stage.reuse():
        return ref
    require_torch()
    from lakebed.tasks.links.build import build_artifact

    return build_artifact(stage, lakegraph, workspace, config)


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

"""The inventory stage: its key, and whether its artifact is there; reads no table until it is not."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.contract import CONTRACTS, VERSION
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.stage import Stage, StageMetrics

if TYPE_CHECKING:
    from lakebed.tasks.inventory.sources import OpenLake

    # the lake, listed once for key and build, and what that has cost
    Held = tuple[OpenLake, StageMetrics]


@contextmanager
def _hold(inputs: Inputs) -> Iterator[Inputs]:
    """Lists the lake; its sources stay open in one snapshot each."""
    from lakebed.tasks.inventory.sources import listed_lake

    metrics = StageMetrics()
    with ExitStack() as stack:
        with metrics.step("list"):
            lake = stack.enter_context(listed_lake(inputs.workspace))
        yield replace(inputs, held=(lake, metrics))


def _held(inputs: Inputs) -> "Held":
    held: Held = inputs.held  # type: ignore[assignment]
    return held


def _key_parts(inputs: Inputs) -> KeyParts:
    """The identity of the lake's files, and how the lake is read."""
    settings = canonical_json(inputs.workspace.lake).encode()
    identity = _held(inputs)[0].listing.identity.encode()
    return KeyParts(inputs.section(InventoryConfig), (identity, settings), (settings,))


def _build(stage: Stage, inputs: Inputs) -> ArtifactRef:
    """Reads what the lake holds.

    Raises:
        ConfigError: if the lake holds no table.
        SourceError: with `strict`, if any table cannot be read.
    """
    from lakebed.tasks.inventory.build import build_artifact

    return build_artifact(stage, inputs.section(InventoryConfig), *_held(inputs))


INVENTORY = StageDef(
    name="inventory",
    version=VERSION,
    contracts=CONTRACTS,
    key_parts=_key_parts,
    build=_build,
    hold=_hold,
    reads_lake=True,
)

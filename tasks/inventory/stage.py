"""The inventory stage: its key, and whether its artifact is there; reads no table until it is not."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lakebed.connectors.lake.discovery import format_of
from lakebed.connectors.lake.model import FILE_FORMATS, TEXT_FORMATS
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.contract import CONTRACTS, VERSION
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.stage import Stage, StageMetrics

if TYPE_CHECKING:
    from lakebed.tasks.inventory.sources import OpenLake
    from lakebed.tasks.runtime.workspace import Workspace

    # the lake, listed once for key and build, and what that has cost
    Held = tuple[OpenLake, StageMetrics]


TEXT_RULES = b"text 7"
# of files that were no tables before
FILE_RULES = b"files 3"
# of files that are symbolic links
LINK_RULES = b"links 1"


@contextmanager
def _hold(inputs: Inputs) -> Iterator[Inputs]:
    """Lists the lake; its sources stay open in one snapshot each."""
    from lakebed.tasks.inventory.sources import listed_lake

    metrics = StageMetrics()
    with ExitStack() as stack:
        with metrics.step("list"):
            lake = stack.enter_context(listed_lake(inputs.workspace))
        yield replace(inputs, workspace=_text_as_typed(inputs, lake), held=(lake, metrics))


def _has_text(lake: "OpenLake") -> bool:
    return any(format_of(entry.path) in TEXT_FORMATS for entry in lake.listing.files)


def _text_as_typed(inputs: Inputs, lake: "OpenLake") -> "Workspace":
    """The workspace; where types are compared strictly, text has the types of one rendering each."""
    workspace = inputs.workspace
    if not (inputs.section(ContainmentConfig).strict_types and _has_text(lake)):
        return workspace
    text = workspace.lake.text.model_copy(update={"renderings": "canonical"})
    return workspace.model_copy(update={"lake": workspace.lake.model_copy(update={"text": text})})


def _held(inputs: Inputs) -> "Held":
    held: Held = inputs.held  # type: ignore[assignment]
    return held


def _key_parts(inputs: Inputs) -> KeyParts:
    """The identity of the lake's files, and how the lake is read."""
    lake = _held(inputs)[0]
    settings = canonical_json(inputs.workspace.lake).encode()
    # the rules of these have changed since, those of all else have not
    found = {format_of(entry.path) for entry in lake.listing.files}
    rules = tuple(
        rule
        for rule, formats in ((TEXT_RULES, TEXT_FORMATS), (FILE_RULES, FILE_FORMATS))
        if not found.isdisjoint(formats)
    )
    if any(entry.path in lake.listing.links for entry in lake.listing.files):
        rules += (LINK_RULES,)
    identity = lake.listing.identity.encode()
    return KeyParts(inputs.section(InventoryConfig), (identity, settings, *rules), (settings, *rules))


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

"""The chain, defined once: the Prefect flow, `--to`, `--only` and "is everything reused?" all read it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal

from lakebed.config import LakebedConfig
from lakebed.connectors.errors import ConfigError, StageError
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.stage import Stage
from lakebed.tasks.runtime.workspace import Workspace

Refs = Mapping[str, ArtifactRef]
Arguments = tuple[Any, ...]
StageName = Literal[
    "inventory", "containment", "relations", "retention", "lakegraph", "summary", "embeddings", "index", "links"
]


@dataclass(frozen=True)
class Link:
    """One stage of the chain.

    Attributes:
        name: of the stage.
        requires: names of the stages whose artifacts it reads.
        open: the stage under its key, for reuse.
        arguments: what the stage's `build_` task and its `run_` function take.
        needs_spark: whether building it always needs a Spark session.
        reads_lake_rows: whether the user's suites for tables of the lake must have passed before.
    """

    name: StageName
    requires: tuple[str, ...]
    open: Callable[[Refs, Workspace, LakebedConfig], Stage]
    arguments: Callable[[Refs, Workspace, LakebedConfig], Arguments]
    needs_spark: bool
    reads_lake_rows: bool = False

    def build(self, refs: Refs, workspace: Workspace, config: LakebedConfig) -> ArtifactRef:
        """Reuses or builds the artifact as a Prefect task, inside a flow."""
        return self._call(f"lakebed.tasks.{self.name}.task", "build", self.arguments(refs, workspace, config))

    def run(self, refs: Refs, workspace: Workspace, config: LakebedConfig) -> ArtifactRef:
        """The same as a plain call, which loads no Prefect."""
        return self._call(f"lakebed.tasks.{self.name}.stage", "run", self.arguments(refs, workspace, config))

    def _call(self, module: str, verb: str, arguments: Arguments) -> ArtifactRef:
        ref: ArtifactRef = getattr(import_module(module), f"{verb}_{self.name}")(*arguments)
        return ref


def _open_inventory(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.inventory.sources import listed_lake
    from lakebed.tasks.inventory.stage import inventory_stage

    with listed_lake(workspace) as lake:
        return inventory_stage(workspace, config.inventory, lake.listing)


def _inventory(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return workspace, config.inventory


def _containment(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return refs["inventory"], workspace, config.containment


def _open_containment(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.containment.stage import containment_stage

    return containment_stage(refs["inventory"], workspace, config.containment)


def _open_relations(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.relations.stage import relations_stage

    found = refs["inventory"], refs["containment"]
    return relations_stage(*found, workspace, config.relations, config.containment)


def _relations(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return refs["inventory"], refs["containment"], workspace, config.relations, config.containment


def _open_retention(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.retention.stage import retention_stage

    return retention_stage(refs["inventory"], refs["containment"], workspace, config.retention, refs["relations"])


def _retention(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return (
        *(refs["inventory"], refs["containment"], workspace),
        *(config.retention, config.containment, refs["relations"]),
    )


def _open_lakegraph(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.lakegraph.stage import lakegraph_stage

    return lakegraph_stage(refs["inventory"], workspace, config.lakegraph)


def _lakegraph(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return refs["inventory"], workspace, config.lakegraph


def _open_summary(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.summary.stage import summary_stage

    return summary_stage(refs["lakegraph"], workspace, config.summary)


def _summary(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return refs["lakegraph"], workspace, config.summary


def _open_embeddings(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.embeddings.stage import embeddings_stage

    return embeddings_stage(refs["lakegraph"], refs["summary"], workspace, config.embeddings)


def _embeddings(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return refs["lakegraph"], refs["summary"], workspace, config.embeddings


def _open_index(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.index.stage import index_stage

    return index_stage(refs["lakegraph"], refs["embeddings"], workspace, config.index, _trained(refs, config))


def _index(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return refs["lakegraph"], refs["embeddings"], workspace, config.index, _trained(refs, config)


def _trained(refs: Refs, config: LakebedConfig) -> ArtifactRef | None:
    """The links artifact, where the index takes its vectors from there."""
    return None if config.index.vectors == "fastrp" else refs["links"]


def _open_links(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Stage:
    from lakebed.tasks.links.stage import links_stage

    return links_stage(refs["lakegraph"], workspace, config.links)


def _links(refs: Refs, workspace: Workspace, config: LakebedConfig) -> Arguments:
    return refs["lakegraph"], workspace, config.links


CHAIN = (
    Link("inventory", (), _open_inventory, _inventory, needs_spark=False),
    Link("containment", ("inventory",), _open_containment, _containment, needs_spark=True, reads_lake_rows=True),
    Link("relations", ("inventory", "containment"), _open_relations, _relations, needs_spark=True),
    Link("retention", ("inventory", "containment", "relations"), _open_retention, _retention, needs_spark=True),
    Link("lakegraph", ("inventory",), _open_lakegraph, _lakegraph, needs_spark=True),
    Link("summary", ("lakegraph",), _open_summary, _summary, needs_spark=False),
    Link("embeddings", ("lakegraph", "summary"), _open_embeddings, _embeddings, needs_spark=False),
    Link("index", ("lakegraph", "embeddings"), _open_index, _index, needs_spark=False),
    Link("links", ("lakegraph",), _open_links, _links, needs_spark=False),
)
STAGES = tuple(link.name for link in CHAIN)
REPORTED_FROM = "containment"
# what comes after takes minutes of training, and is made on request: `--to links`
LAST = "index"


def chain_of(config: LakebedConfig | None = None) -> tuple[Link, ...]:
    """The chain in order: an index over vectors of the link predictor comes after it and reads it."""
    if config is None or config.index.vectors == "fastrp":
        return CHAIN
    links = {link.name: link for link in CHAIN}
    index = links.pop("index")
    return (*links.values(), replace(index, requires=(*index.requires, "links")))


def chosen_links(
    to: str | None = None, only: str | None = None, config: LakebedConfig | None = None
) -> tuple[Link, ...]:
    """The links up to a stage, the index where none is named; with `only`, those that the stage needs and itself.

    Raises:
        ConfigError: if there is no such stage, or both are given.
    """
    if to is not None and only is not None:
        raise ConfigError("--to and --only exclude each other", hint="give one of them")
    for name in (to, only):
        if name is not None and name not in STAGES:
            raise ConfigError("no such stage", value=name, expected=f"one of {', '.join(STAGES)}")
    links = chain_of(config)
    if only is not None:
        needed = _needed(only, links)
        return tuple(link for link in links if link.name in needed)
    names: list[str] = [link.name for link in links]
    return links[: names.index(to or LAST) + 1]


def gets_report(to: str | None, only: str | None) -> bool:
    """Whether a run reaches the stages that the report cannot do without."""
    return only is None and REPORTED_FROM in {link.name for link in chosen_links(to)}


def find_reusable(links: Sequence[Link], workspace: Workspace, config: LakebedConfig) -> dict[str, ArtifactRef]:
    """The artifacts that exist already, up to the first link that has work to do."""
    refs: dict[str, ArtifactRef] = {}
    for link in links:
        ref = link.open(refs, workspace, config).reuse()
        if ref is None:
            break
        refs[link.name] = ref
    return refs


def require_inputs(todo: Sequence[Link], only: str | None) -> None:
    """`--only` runs one stage: what it reads must be there.

    Raises:
        StageError: naming the stages to run first.
    """
    missing = [link.name for link in todo if link.name != only] if only else []
    if missing:
        raise StageError(
            f"stage {only} reads artifacts that are not there or not up to date",
            value=", ".join(missing),
            expected="finished stages before it",
            hint=f"lakebed run --to {only}",
        )


def _needed(name: str, links: Sequence[Link]) -> set[str]:
    link = next(link for link in links if link.name == name)
    return {name}.union(*(_needed(required, links) for required in link.requires))

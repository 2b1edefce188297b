"""The chain, defined once: the flow, its deployments, `--to`, `--only`, lineage and the garbage collector read it."""

from collections.abc import Mapping, Sequence

from lakebed.config import LakebedConfig
from lakebed.connectors.errors import ConfigError, StageError
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.embeddings.stage import EMBEDDINGS
from lakebed.tasks.index.stage import INDEX
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.keys.stage import KEYS
from lakebed.tasks.lakegraph.stage import LAKEGRAPH
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.relations.stage import RELATIONS
from lakebed.tasks.retention.stage import RETENTION
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, Sections, StageDef
from lakebed.tasks.summary.stage import SUMMARY
from lakebed.tasks.topics.stage import TOPICS

CHAIN = (INVENTORY, CONTAINMENT, RELATIONS, RETENTION, LAKEGRAPH, KEYS, TOPICS, SUMMARY, EMBEDDINGS, INDEX, LINKS)
STAGES = tuple(stage.name for stage in CHAIN)
STAGE_OF = dict(zip(STAGES, CHAIN, strict=True))
# what comes after takes minutes of training, and is made on request: `--to links`
LAST = INDEX.name


def chain_of(sections: Sections = Sections()) -> tuple[StageDef, ...]:  # noqa: B008 - frozen
    """The chain in order: an index over vectors of the link predictor comes after it and reads it."""
    left, ordered = list(CHAIN), list[StageDef]()
    while left:
        done = {stage.name for stage in ordered}
        ordered.append(next(stage for stage in left if done.issuperset(stage.reads(sections))))
        left.remove(ordered[-1])
    return tuple(ordered)


def chosen_stages(
    to: str | None = None, only: str | None = None, config: LakebedConfig | None = None
) -> tuple[StageDef, ...]:
    """The stages up to one, the index where none is named; with `only`, that one and those that it needs.

    Raises:
        ConfigError: if there is no such stage, or both are given.
    """
    if to is not None and only is not None:
        raise ConfigError("--to and --only exclude each other", hint="give one of them")
    for name in (to, only):
        if name is not None and name not in STAGES:
            raise ConfigError("no such stage", value=name, expected=f"one of {', '.join(STAGES)}")
    sections = Sections() if config is None else Sections.of(config)
    stages = chain_of(sections)
    if only is not None:
        needed = {only}
        for stage in reversed(stages):
            needed |= {*stage.reads(sections)} if stage.name in needed else set()
        return tuple(stage for stage in stages if stage.name in needed)
    return stages[: [stage.name for stage in stages].index(to or LAST) + 1]


def in_order(refs: Mapping[str, ArtifactRef]) -> dict[str, ArtifactRef]:
    """Artifacts by their stage, as the chain has them and not as they were made."""
    return {name: refs[name] for name in STAGES if name in refs}


def gets_report(to: str | None, only: str | None) -> bool:
    """Whether a run reaches the stages that the report cannot do without."""
    return only is None and CONTAINMENT in chosen_stages(to)


def inputs_for(config: LakebedConfig, run_id: str = "") -> Inputs:
    """What the first stage of a run is called with."""
    return Inputs(config.workspace(run_id), sections=Sections.of(config))


def find_reusable(stages: Sequence[StageDef], inputs: Inputs) -> dict[str, ArtifactRef]:
    """The artifacts that exist already, up to the first stage that has work to do."""
    refs: dict[str, ArtifactRef] = {}
    for stage in stages:
        ref = stage.find(inputs.with_refs(refs))
        if ref is None:
            break
        refs[stage.name] = ref
    return refs


def require_inputs(todo: Sequence[StageDef], only: str | None) -> None:
    """`--only` runs one stage: what it reads must be there.

    Raises:
        StageError: naming the stages to run first.
    """
    missing = [stage.name for stage in todo if stage.name != only] if only else []
    if missing:
        raise StageError(
            f"stage {only} reads artifacts that are not there or not up to date",
            value=", ".join(missing),
            expected="finished stages before it",
            hint=f"lakebed run --to {only}",
        )

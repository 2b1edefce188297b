"""Holds: what must neither be set aside nor deleted, by the settings given now and by those of the run."""

from collections.abc import Collection, Iterable, Mapping

from lakebed.artifacts import newest_run
from lakebed.config import LakebedConfig, section
from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.connectors.lake.globs import unmatched
from lakebed.tables import lake_tables
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.plan import PlannedTable
from lakebed.tasks.retention.policy import hold_of
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.record import RunRecord

GIVEN, RUN = "the configuration", "the run's configuration"


def held(tables: Iterable[PlannedTable], settings: LakebedConfig, run: RunRecord | None = None) -> dict[str, str]:
    """Which of these tables are under a hold, and why, by all settings that have a say.

    Args:
        tables: of a plan or of receipts, each with the parents that it would be rebuilt from.
        settings: as they are given now; those of the newest run that decided count as well.
        run: that run, where it was read already.

    Raises:
        ConfigError: if a glob of `legal_hold` names no table.
    """
    tables, rules = list(tables), _rules(settings, run)
    require_matching(settings, {table.name for table in tables})
    found: dict[str, str] = {}
    for table in tables:
        for whose, rule in rules.items():
            if why := hold_of(table.name, table.parents, rule):
                found.setdefault(table.name, f"{why}, by {whose}")
    return found


def other_settings(given: Mapping[str, object], run: RetentionConfig) -> list[str]:
    """The keys of `[retention]` that are given now and were others when the run decided."""
    return [f"retention.{key}" for key in _differing(given, run.model_dump(mode="json"))]


def _differing(given: Mapping[str, object], was: Mapping[str, object]) -> Iterable[str]:
    for key, value in given.items():
        old = was.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and key not in {"attributes", "max_rebuild_s_of"}:
            yield from (f"{key}.{inner}" for inner in _differing(value, old))
        elif value != old and not (isinstance(value, list | tuple) and list(value) == old):
            yield key


def _rules(settings: LakebedConfig, run: RunRecord | None) -> dict[str, RetentionConfig]:
    """The retention settings that have a say, by whose they are."""
    rules = {GIVEN: settings.retention}
    try:
        recorded = newest_run(settings.artifacts, "retention", run).config["retention"]
    except ArtifactError:
        return rules
    return {**rules, RUN: section(RetentionConfig, "retention", recorded)}


def require_matching(settings: LakebedConfig, names: Collection[str] = ()) -> None:
    """A glob that names nothing protects nothing: an error for a legal hold, else a warning.

    Args:
        settings: with the globs; the newest inventory of its artifact root and its quarantine say which tables there
            are.
        names: of tables that there are as well.

    Raises:
        ConfigError: naming the glob.
    """
    retention, pins = settings.retention, settings.retention.pins
    globs = {"pins.legal_hold": pins.legal_hold, "pins.veto": pins.veto, "pins.streaming": pins.streaming}
    globs |= {"attributes": tuple(retention.attributes), "max_rebuild_s_of": tuple(retention.max_rebuild_s_of)}
    if not any(globs.values()):
        return
    try:
        known = {*names, *(row.name for row in lake_tables(settings))}
    except ArtifactError:
        known = set(names)
    for key, glob in ((key, glob) for key, each in globs.items() for glob in unmatched(each, known)):
        if key == "pins.legal_hold":
            raise ConfigError(
                "a legal hold names no table, so it would hold nothing",
                value=f"retention.pins.legal_hold: {glob}",
                expected="a glob of tables that were read, could not be read, or were set aside",
                hint=f"lakebed tables --artifacts {settings.artifacts}",
            )
        shown().note(f"warning: retention.{key} names no table: {glob}")

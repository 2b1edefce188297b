"""The plan of a run as people and programs read it: rows, totals, a file, and its application."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebed.artifacts import newest_refs, newest_run
from lakebed.config import given_section, load_config
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.storage import is_object_store
from lakebed.quarantine import apply, apply_settings, lake_settings
from lakebed.results import Result
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.plan import Plan, PlannedTable, leaving, write_plan
from lakebed.tasks.retention.planning import PlanSource, make_plan
from lakebed.tasks.retention.recipes.model import Recipe
from lakebed.tasks.retention.words import MONTHS_A_YEAR, in_proportion
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.progress import Progress, shown, telling
from lakebed.tasks.runtime.record import RunRecord

if TYPE_CHECKING:
    from lakebed.tasks.quarantine.apply import Applied


@dataclass(frozen=True)
class PlanRow:
    """One table of a plan: whether it may go, why, and what that saves in a month.

    `beside` are tables that stay and have files in the same folders: who reads such a folder whole finds fewer rows.
    """

    table: str
    decision: str
    reason: str
    why: str
    n_rows: int
    n_bytes: int
    parents: tuple[str, ...]
    how: str
    saving_per_month: float | None
    rebuild_s: float | None
    beside: tuple[str, ...] = ()


class LakePlan(Result[PlanRow]):
    """A plan; nothing is changed before `apply`.

    Examples:
        >>> plan = lake.plan()
        >>> plan.save("plan.json")
        >>> plan.totals["n_deleted"], plan.totals["currency"]
        (2, 'USD')

    Args:
        plan: sealed.
        config: TOML file of the settings to apply it with.
        given: their nested values that win over the file; what neither says is the plan's own.
        progress: whether standard error says how far it is, or who says it.
    """

    def __init__(
        self,
        plan: Plan,
        config: Path | None = None,
        given: Mapping[str, Any] | None = None,
        *,
        progress: bool | Progress = True,
    ) -> None:
        self.plan, self._config, self._given, self._progress = plan, config, given or {}, progress
        beside = sharing(plan)
        rows = (_row(table, beside.get(table.name, ())) for table in plan.tables)
        super().__init__(PlanRow, rows, f"plan {plan.plan_id[:12]}")

    def save(self, path: str | Path) -> None:
        """Writes the plan to a file, whole or not at all.

        Raises:
            ConfigError: if the file would lie in the lake.
            PlanError: if it cannot be written.
        """
        out, lake = Path(path), self.plan.lake.root
        if not is_object_store(lake) and out.resolve().is_relative_to(Path(lake).resolve()):
            raise ConfigError(
                "the plan's file would lie in the lake; nothing may be written there",
                value=out,
                expected=f"a file outside {lake}",
                hint="choose another file with --out",
            )
        write_plan(self.plan, out)

    def apply(self, *, only: Sequence[str] = (), skip: Sequence[str] = (), dry_run: bool = False) -> "Applied":
        """Verifies, rebuilds and compares, then sets the plan's tables aside; deletes nothing.

        Args:
            only: globs of the tables that may go; all where there are none.
            skip: globs of tables that stay.
            dry_run: whether to verify only.

        Raises:
            ConfigError: if a glob, or a legal hold, names no table.
            PlanError: if the plan is refused, or nothing of it may go.
            LeaseError: if a run works on the artifact root.
        """
        with telling(self._progress):
            settings = apply_settings(self.plan, self._config, self._given)
            return apply(self.plan, settings, is_dry=dry_run, only=only, skip=skip)

    @cached_property
    def totals(self) -> dict[str, Any]:
        """What the plan would save in all once it is purged, beside what byte-identical copies alone would.

        `in_proportion` is the same for a lake of another size: `report.lake_bytes`, else 1 TB.

        Raises:
            ArtifactError: if the artifact that the plan was made of is gone.
        """
        plan, deleted = self.plan, self.plan.deleted
        summary = ArtifactStore(plan.artifact_root).manifest(plan.artifacts["retention"]).summary
        saving = sum(table.saving.total for table in deleted if table.saving)
        n_bytes = sum(table.n_bytes for table in plan.tables)
        report = load_config(self._config, self._given, defaults={"lake": {"root": "."}}).report
        lake_bytes, in_its_size = in_proportion(saving, n_bytes, report.lake_bytes)
        return {
            "plan_id": plan.plan_id,
            "currency": plan.currency,
            "prices_date": plan.prices_date,
            "n_tables": len(plan.tables),
            "n_deleted": len(deleted),
            "bytes_total": n_bytes,
            "bytes_deleted": sum(table.n_bytes for table in deleted),
            "saving_per_month": saving,
            "saving_per_year": MONTHS_A_YEAR * saving,
            "in_proportion": {"lake_bytes": lake_bytes, "saving_per_month": in_its_size},
            "cost_per_month_if_all_is_kept": summary["keep_all_cost"],
            "slowest_rebuild_s": max((table.rebuild_latency_s or 0.0 for table in deleted), default=0.0),
            "solver_gap": summary["retention_gap"],
            "byte_identical": {
                "n_deleted": summary["duplicate_tables"],
                "bytes_deleted": summary["duplicate_bytes"],
                "saving_per_month": summary["duplicate_saving_per_month"],
            },
        }


@dataclass(frozen=True)
class Choice:
    """Which of the tables that may go are planned.

    Attributes:
        only: globs of tables; all where there are none.
        exclude: globs of tables that stay.
        min_saving: in the plan's currency a month; what saves less stays.
        max_rebuild_s: longest rebuild in seconds; None means any.
    """

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    min_saving: float = 0.0
    max_rebuild_s: float | None = None

    def left(self, table: PlannedTable) -> str:
        """Why a table is not among the chosen ones; empty where it is."""
        if self.only and not matches_any(table.name, self.only):
            return "not among --only"
        if matches_any(table.name, self.exclude):
            return "left out by --exclude"
        if table.saving is not None and table.saving.total < self.min_saving:
            return f"saves less than {self.min_saving:g} a month"
        is_slow = self.max_rebuild_s is not None and (table.rebuild_latency_s or 0.0) > self.max_rebuild_s
        return f"its rebuild takes longer than {self.max_rebuild_s:g} s" if is_slow else ""


def plan_under(config: Path | None, given: Mapping[str, Any], choice: Choice | None = None) -> Plan:
    """The newest run's plan under the settings of this moment: what they hold back, or the choice, stays.

    Says it where the run decided under other settings than those given.

    Args:
        config: TOML file.
        given: nested values that win over the file.
        choice: which tables are planned; all that may go where none is given.

    Raises: as `make`; ConfigError: if the settings cannot be read, or a legal hold names no table.
    """
    from lakebed.holds import held, other_settings

    root = load_config(config, given, defaults={"lake": {"root": "."}}).artifacts
    run = newest_run(root, "retention")
    plan, settings = make(root, run), lake_settings(config, given, run)
    decided = RetentionConfig.model_validate(run.config["retention"])
    if others := other_settings(given_section("retention", config, given), decided):
        shown().note(f"warning: the run decided under other settings of {', '.join(others)}; lakebed run decides anew")
    reasons = {table.name: ("not_chosen", why) for table in plan.deleted if (why := (choice or Choice()).left(table))}
    reasons |= {name: ("hold", why) for name, why in held(plan.deleted, settings, run).items()}
    return leaving(plan, reasons).sealed(plan.created_at) if reasons else plan


def make(root: str, only: RunRecord | None = None) -> Plan:
    """The plan of the newest run that reached the retention stage, or of one run.

    Raises:
        ArtifactError: if there is no such run.
        PlanError: if the lake has changed since.
    """
    run = newest_run(root, "retention", only)
    (store, refs), settings = newest_refs(root, "retention", run), run.config
    lake, config = LakeConfig.model_validate(settings["lake"]), RetentionConfig.model_validate(settings["retention"])
    return make_plan(PlanSource(store, refs, lake, config), datetime.now(UTC).isoformat(timespec="seconds"))


def how_rebuilt(table: PlannedTable) -> str:
    """How a deleted table is rebuilt, in words; empty for one that is kept."""
    if table.decision != "delete":
        return ""
    recipe = Recipe.model_validate(table.recipe)
    lost = "" if recipe.order.state != "lost" else f"; row order is lost: {recipe.order.reason}"
    return f"{recipe.selector_shape} of {', '.join(table.parents)}{lost}"


def sharing(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The tables to delete that share a folder with tables that stay, and these, by name. O(files)."""
    staying: dict[str, set[str]] = defaultdict(set)
    for table in plan.tables:
        for folder in _folders(table) if table.decision == "keep" else ():
            staying[folder].add(table.name)
    found = {table.name: {name for folder in _folders(table) for name in staying[folder]} for table in plan.deleted}
    return {name: tuple(sorted(others)) for name, others in found.items() if others}


def _folders(table: PlannedTable) -> set[str]:
    return {file.path.rpartition("/")[0] for file in table.identity.files}


def _row(table: PlannedTable, beside: tuple[str, ...]) -> PlanRow:
    return PlanRow(
        table=table.name,
        decision=table.decision,
        reason=table.reason,
        why=table.why,
        n_rows=table.n_rows,
        n_bytes=table.n_bytes,
        parents=table.parents,
        how=how_rebuilt(table),
        saving_per_month=table.saving.total if table.saving else None,
        rebuild_s=table.rebuild_latency_s,
        beside=beside,
    )

"""The plan of a run as people and programs read it: rows, totals, a file, and its application."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebed.artifacts import newest_refs, newest_run
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.storage import is_object_store
from lakebed.quarantine import apply, apply_settings
from lakebed.results import Result
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.plan import Plan, PlannedTable, write_plan
from lakebed.tasks.retention.planning import PlanSource, make_plan
from lakebed.tasks.retention.recipes.model import Recipe
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.progress import Progress, telling
from lakebed.tasks.runtime.record import RunRecord

if TYPE_CHECKING:
    from lakebed.tasks.quarantine.apply import Applied


@dataclass(frozen=True)
class PlanRow:
    """One table of a plan: whether it may go, why, and what that saves in a month."""

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


class LakePlan(Result[PlanRow]):
    """A plan; nothing is changed before `apply`.

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
        super().__init__(PlanRow, map(_row, plan.tables), f"plan {plan.plan_id[:12]}")

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

    def apply(self, *, dry_run: bool = False) -> "Applied":
        """Verifies, rebuilds and compares, then sets the plan's tables aside; deletes nothing.

        Raises:
            PlanError: if the plan is refused.
            LeaseError: if a run works on the artifact root.
        """
        with telling(self._progress):
            return apply(self.plan, apply_settings(self.plan, self._config, self._given), is_dry=dry_run)

    @cached_property
    def totals(self) -> dict[str, Any]:
        """What the plan saves in all, beside what deleting byte-identical copies alone would.

        Raises:
            ArtifactError: if the artifact that the plan was made of is gone.
        """
        plan, deleted = self.plan, self.plan.deleted
        summary = ArtifactStore(plan.artifact_root).manifest(plan.artifacts["retention"]).summary
        return {
            "plan_id": plan.plan_id,
            "currency": plan.currency,
            "prices_date": plan.prices_date,
            "n_tables": len(plan.tables),
            "n_deleted": len(deleted),
            "bytes_total": sum(table.n_bytes for table in plan.tables),
            "bytes_deleted": sum(table.n_bytes for table in deleted),
            "saving_per_month": sum(table.saving.total for table in deleted if table.saving),
            "cost_per_month_if_all_is_kept": summary["keep_all_cost"],
            "slowest_rebuild_s": max((table.rebuild_latency_s or 0.0 for table in deleted), default=0.0),
            "solver_gap": summary["retention_gap"],
            "byte_identical": {
                "n_deleted": summary["duplicate_tables"],
                "bytes_deleted": summary["duplicate_bytes"],
                "saving_per_month": summary["duplicate_saving_per_month"],
            },
        }


def make(root: str, only: RunRecord | None = None) -> Plan:
    """The plan of the newest run that reached the retention stage, or of one run.

    Raises:
        ArtifactError: if there is no such run.
        PlanError: if the lake has changed since.
    """
    store, refs = newest_refs(root, "retention", only)
    settings = newest_run(root, "retention", only).config
    lake, config = LakeConfig.model_validate(settings["lake"]), RetentionConfig.model_validate(settings["retention"])
    return make_plan(PlanSource(store, refs, lake, config), datetime.now(UTC).isoformat(timespec="seconds"))


def how_rebuilt(table: PlannedTable) -> str:
    """How a deleted table is rebuilt, in words; empty for one that is kept."""
    if table.decision != "delete":
        return ""
    recipe = Recipe.model_validate(table.recipe)
    lost = "" if recipe.order.state != "lost" else f"; row order is lost: {recipe.order.reason}"
    return f"{recipe.selector_shape} of {', '.join(table.parents)}{lost}"


def _row(table: PlannedTable) -> PlanRow:
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
    )

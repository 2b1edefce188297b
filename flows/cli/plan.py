"""`lakebed plan`: table by table, what may go, what stays, and why."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.storage import is_object_store
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.output import human_bytes, print_json, print_table, print_text
from lakebed.tasks.retention.words import money_text

if TYPE_CHECKING:
    from lakebed.tasks.retention.plan import Plan, PlannedTable

HASH_DIGITS = 12


def plan(
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    out: Annotated[Path, typer.Option("--out", help="File to write the plan to.")] = Path("plan.json"),
    everything: Annotated[bool, typer.Option("--all", help="List the tables that nothing contains as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the plan of the newest run: what to delete, how it is rebuilt, what that saves. Changes nothing."""
    from lakebed.tasks.retention.plan import write_plan

    root = artifact_root(artifacts, config)
    made, summary = make(root)
    _require_outside(out, made.lake.root)
    write_plan(made, out)
    if as_json:
        copies = [group.model_dump(mode="json") for group in made.copies]
        tables = [_facts(table) for table in made.tables]
        print_json({**totals(made, summary), "out": str(out), "tables": tables, "copies": copies})
        return
    _print_deleted(made)
    _print_copies(made)
    _print_kept(made, everything=everything)
    _print_totals(totals(made, summary), made)
    print_text(f"plan {made.plan_id[:HASH_DIGITS]} written to {out}; nothing was changed")
    if made.deleted:
        print_text(f"next: lakebed apply {out}")


def make(root: str) -> tuple["Plan", dict[str, Any]]:
    """The plan of the newest run that reached the retention stage, and that stage's summary.

    Raises:
        ArtifactError: if there is no such run.
        PlanError: if the lake has changed since.
    """
    from datetime import UTC, datetime

    from lakebed.artifacts import newest_refs, newest_run
    from lakebed.connectors.lake.config import LakeConfig
    from lakebed.tasks.retention.config import RetentionConfig
    from lakebed.tasks.retention.planning import PlanSource, make_plan

    store, refs = newest_refs(root, "retention")
    settings = newest_run(root, "retention").config
    lake = LakeConfig.model_validate(settings["lake"])
    source = PlanSource(store, refs, lake, RetentionConfig.model_validate(settings["retention"]))
    made = make_plan(source, datetime.now(UTC).isoformat(timespec="seconds"))
    return made, store.manifest(refs["retention"]).summary


def _require_outside(out: Path, lake: str) -> None:
    """Refuses to write into the lake.

    Raises:
        ConfigError: naming both.
    """
    if not is_object_store(lake) and out.resolve().is_relative_to(Path(lake).resolve()):
        raise ConfigError(
            "the plan's file would lie in the lake; nothing may be written there",
            value=out,
            expected=f"a file outside {lake}",
            hint="choose another file with --out",
        )


def totals(made: "Plan", summary: dict[str, Any]) -> dict[str, Any]:
    """What the plan saves in all, beside what deleting byte-identical copies alone would."""
    saved = sum(table.saving.total for table in made.deleted if table.saving)
    return {
        "plan_id": made.plan_id,
        "currency": made.currency,
        "prices_date": made.prices_date,
        "n_tables": len(made.tables),
        "n_deleted": len(made.deleted),
        "bytes_total": sum(table.n_bytes for table in made.tables),
        "bytes_deleted": sum(table.n_bytes for table in made.deleted),
        "saving_per_month": saved,
        "cost_per_month_if_all_is_kept": summary["keep_all_cost"],
        "slowest_rebuild_s": max((table.rebuild_latency_s or 0.0 for table in made.deleted), default=0.0),
        "solver_gap": summary["retention_gap"],
        "byte_identical": {
            "n_deleted": summary["duplicate_tables"],
            "bytes_deleted": summary["duplicate_bytes"],
            "saving_per_month": summary["duplicate_saving_per_month"],
        },
    }


def _facts(table: "PlannedTable") -> dict[str, Any]:
    """A table for `--json`: the recipe itself and the identities stand in the plan's file."""
    facts = table.model_dump(mode="json", exclude={"identity", "recipe"})
    return {**facts, "how": _how(table) if table.decision == "delete" else ""}


def _how(table: "PlannedTable") -> str:
    from lakebed.tasks.retention.recipes.model import Recipe

    recipe = Recipe.model_validate(table.recipe)
    lost = "" if recipe.order.state != "lost" else f"; row order is lost: {recipe.order.reason}"
    return f"{recipe.selector_shape} of {', '.join(table.parents)}{lost}"


def _print_deleted(made: "Plan") -> None:
    rows = (
        (
            table.name,
            _how(table),
            human_bytes(table.n_bytes),
            money_text(table.saving.total if table.saving else 0.0, made.currency),
            f"{table.rebuild_latency_s or 0.0:,.1f} s",
            f"{table.evidence[0].certificate_sha256[:HASH_DIGITS]} {table.original_hash[:HASH_DIGITS]}",
        )
        for table in made.deleted
    )
    header = ("delete", "rebuilt by", "bytes", "saves a month", "rebuild", "certificate, rows' hash")
    print_table(
        f"{len(made.deleted):,} tables to delete; each rebuild was run and compared", header, rows, right=(2, 3, 4)
    )


def _print_copies(made: "Plan") -> None:
    """Of each group of equal copies the one that stays, and why it is that one."""
    if not made.copies:
        return
    rows = ((group.keeper, ", ".join(group.deleted), group.because) for group in made.copies)
    print_table(f"{len(made.copies):,} groups of equal copies", ("stays", "goes", "kept because"), rows)


def _print_kept(made: "Plan", *, everything: bool) -> None:
    kept = [table for table in made.tables if table.decision == "keep"]
    shown = [table for table in kept if everything or table.reason != "not_contained"]
    rows = ((table.name, human_bytes(table.n_bytes), table.reason, table.why) for table in shown)
    print_table(f"{len(kept):,} tables to keep", ("keep", "bytes", "reason", "why"), rows, right=(1,))
    hidden = Counter(table.reason for table in kept)["not_contained"] if not everything else 0
    if hidden:
        print_text(f"… and {hidden:,} tables that no other contains; --all lists them")


def _print_totals(facts: dict[str, Any], made: "Plan") -> None:
    naive = facts["byte_identical"]
    share = facts["bytes_deleted"] / facts["bytes_total"] if facts["bytes_total"] else 0.0
    saving = money_text(facts["saving_per_month"], made.currency)
    print_text(
        f"saves {human_bytes(facts['bytes_deleted'])} ({share:.1%}) and {saving} "
        f"a month (prices of {made.prices_date}); slowest rebuild {facts['slowest_rebuild_s']:,.1f} s; "
        f"solver gap {facts['solver_gap']:.2g}"
    )
    print_text(
        f"byte-identical copies alone: {naive['n_deleted']:,} tables, {human_bytes(naive['bytes_deleted'])}, "
        f"{money_text(naive['saving_per_month'], made.currency)} a month"
    )

"""`lakebed plan`: table by table, what may go, what stays, and why."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, Exclude, Only, overrides
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.tasks.retention.words import money_text, period_text, size_text
from lakebed.words import counted, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakebed.planning import LakePlan, PlanRow
    from lakebed.tasks.retention.plan import PlannedTable

HASH_DIGITS = 12
SHOWN_NAMES = 5


def plan(  # noqa: PLR0913 - one argument an option
    *,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    out: Annotated[Path, typer.Option("--out", help="File to write the plan to.")] = Path("plan.json"),
    only: Only = None,
    exclude: Exclude = None,
    min_saving: Annotated[float, typer.Option("--min-saving", help="Least saving per table and month.")] = 0.0,
    max_rebuild_s: Annotated[
        float | None, typer.Option("--max-rebuild-s", help="Longest rebuild, in seconds.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List the tables that nothing contains as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the plan of the newest run: what to delete, how it is rebuilt, what that saves. Changes nothing."""
    from lakebed.planning import Choice, LakePlan, plan_under

    choice = Choice(tuple(only or ()), tuple(exclude or ()), min_saving, max_rebuild_s)
    found = LakePlan(plan_under(config, overrides(None, artifacts), choice))
    found.save(out)
    if as_json:
        copies = [group.model_dump(mode="json") for group in found.plan.copies]
        tables = [_facts(*pair) for pair in _pairs(found)]
        print_json({**found.totals, "out": str(out), "tables": tables, "copies": copies})
        return
    _print_deleted(found)
    _print_sharing(found)
    _print_copies(found)
    _print_kept(found, everything=everything)
    _print_totals(found.totals)
    print_text(f"plan {found.plan.plan_id[:HASH_DIGITS]} written to {out}; nothing was changed")
    if found.plan.deleted:
        print_text(f"next: lakebed apply {out}")


def _pairs(found: "LakePlan") -> "Iterable[tuple[PlannedTable, PlanRow]]":
    return zip(found.plan.tables, found, strict=True)


def _facts(table: "PlannedTable", row: "PlanRow") -> dict[str, Any]:
    """A table for `--json`: the recipe itself and the identities stand in the plan's file."""
    facts = table.model_dump(mode="json", exclude={"identity", "recipe"})
    return {**facts, "how": row.how, "beside": list(row.beside)}


def _print_deleted(found: "LakePlan") -> None:
    rows = [
        (
            row.table,
            row.how,
            human_bytes(row.n_bytes),
            money_text(row.saving_per_month or 0.0, found.plan.currency),
            f"{row.rebuild_s or 0.0:,.1f} s",
            f"{table.evidence[0].certificate_sha256[:HASH_DIGITS]} {table.original_hash[:HASH_DIGITS]}",
        )
        for table, row in _pairs(found)
        if row.decision == "delete"
    ]
    header = ("delete", "rebuilt by", "bytes", "would save a month", "rebuild", "certificate, rows' hash")
    title = f"{counted(len(rows), 'table')} to delete; each rebuild was run and compared"
    print_table(title, header, rows, right=(2, 3, 4))


def _print_sharing(found: "LakePlan") -> None:
    """What somebody has to know who reads a folder whole, with all that lies in it."""
    shared = [row for row in found if row.beside]
    if shared:
        print_text(f"{len(shared):,} of them share a folder with tables that stay; read whole, it has fewer rows then:")
    for row in shared:
        print_text(f"  {row.table}: beside {_some(row.beside)}")


def _some(names: "Sequence[str]") -> str:
    rest = f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + rest


def _print_copies(found: "LakePlan") -> None:
    """Of each group of equal copies the one that stays, and why it is that one."""
    if groups := found.plan.copies:
        rows = ((group.stays, ", ".join(group.deleted), group.told) for group in groups)
        print_table(f"{counted(len(groups), 'group')} of equal copies", ("stays", "goes", "kept because"), rows)


def _print_kept(found: "LakePlan", *, everything: bool) -> None:
    kept = [row for row in found if row.decision == "keep"]
    shown = [row for row in kept if everything or row.reason != "not_contained"]
    rows = ((row.table, human_bytes(row.n_bytes), row.reason, row.why) for row in shown)
    print_table(f"{counted(len(kept), 'table')} to keep", ("keep", "bytes", "reason", "why"), rows, right=(1,))
    hidden = Counter(row.reason for row in kept)["not_contained"] if not everything else 0
    if hidden:
        print_text(f"… and {counted(hidden, 'table')} that no other contains; --all lists them")


def _print_totals(facts: dict[str, Any]) -> None:
    naive, currency, scaled = facts["byte_identical"], facts["currency"], facts["in_proportion"]
    share = facts["bytes_deleted"] / facts["bytes_total"] if facts["bytes_total"] else 0.0
    print_text(
        f"would save, once set aside and purged, {human_bytes(facts['bytes_deleted'])} ({share:.1%} of the "
        f"{human_bytes(facts['bytes_total'])} that were read) and {period_text(facts['saving_per_month'], currency)} "
        f"(prices of {facts['prices_date']}); slowest rebuild {facts['slowest_rebuild_s']:,.1f} s; "
        f"solver gap {facts['solver_gap']:.2g}"
    )
    if scaled["saving_per_month"]:
        print_text(size_text(scaled["saving_per_month"], currency, scaled["lake_bytes"]))
    print_text(
        f"byte-identical copies alone: {counted(naive['n_deleted'], 'table')}, {human_bytes(naive['bytes_deleted'])}, "
        f"{period_text(naive['saving_per_month'], currency)}"
    )

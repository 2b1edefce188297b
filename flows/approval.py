"""Plan, approval by a person, apply: a Prefect flow that waits in between.

While it waits, the flow run is paused; Prefect's UI shows the plan and, under "Resume", a form with typed fields.
"""

import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from prefect import flow, get_run_logger, pause_flow_run
from prefect.artifacts import create_markdown_artifact
from prefect.input import RunInput
from pydantic import Field

from lakebed.connectors.errors import LeaseError, PlanError
from lakebed.connectors.lake.globs import matches_any, unmatched
from lakebed.flows.deployments import own_parameters
from lakebed.flows.markdown import code, code_cell
from lakebed.holds import held
from lakebed.planning import plan_under, sharing
from lakebed.quarantine import apply, apply_settings
from lakebed.tasks.quarantine.receipt import quoted
from lakebed.tasks.retention.plan import Plan, leaving, read_plan, require_sealed
from lakebed.tasks.retention.words import period_text
from lakebed.words import counted

if TYPE_CHECKING:
    from lakebed.config import LakebedConfig
    from lakebed.tasks.quarantine.apply import Applied

SHOWN_TABLES = 100
_POLL_S = 5
_LEASE_WAIT_S = 3600


class Decision(RunInput):
    """What a person decides about a plan."""

    approve: bool = Field(False, description="Set the tables of the plan aside. Unticked: nothing is done.")
    reviewer: str = Field(min_length=1, max_length=200, description="Your name, for the record.")
    keep: list[str] = Field(default_factory=list, description="Tables of the plan that stay all the same, by globs.")
    comment: str = Field("", description="Why, for the record.")


@flow(
    name="lakebed-approval",
    description="Plans what may be set aside, waits for a person's approval, applies.",
    validate_parameters=True,
    # a plan that was refused, or a person's no, is not to be tried again
    retries=0,
)
def approval_flow(
    *,
    artifacts: str = ".lakebed",
    plan_file: str = "",
    config: str = "",
    wait_s: Annotated[int, Field(ge=60, le=365 * 86_400)] = 7 * 86_400,
) -> dict[str, Any]:
    """Shows a plan, waits for the decision, applies what was approved.

    Args:
        artifacts: artifact root of the run that the plan is made of.
        plan_file: a plan that was written before; empty makes one now.
        config: TOML file with the settings; empty takes `lakebed.toml` of the working folder, if there is one.
        wait_s: seconds to wait for the decision, from 60 to a year; then the flow run fails and nothing was done.

    Raises:
        PlanError: if the plan is refused.
    """
    file, logger = Path(config) if config else None, get_run_logger()
    given = {"artifacts": artifacts}
    own = str(own_parameters().get("config", ""))
    files = {file, *([Path(own)] if own else [])}
    plan = read_plan(Path(plan_file)) if plan_file else plan_under(file, given)
    plan = _offered(plan, files, given)
    page = plan_page(plan)
    create_markdown_artifact(page, key=f"lakebed-plan-{plan.plan_id[:12]}", description="What would be set aside")
    if not plan.deleted:
        logger.info("the plan deletes nothing")
        return {"plan_id": plan.plan_id, "approved": False, "tables": []}
    form = Decision.with_initial_data(description=page, approve=False, keep=[], comment="")
    decision = pause_flow_run(wait_for_input=form, timeout=wait_s, poll_interval=_POLL_S)
    facts = {"plan_id": plan.plan_id, "approved": decision.approve, "reviewer": decision.reviewer}
    if not decision.approve:
        logger.info("not approved by %s: %s", decision.reviewer, decision.comment or "no reason given")
        return {**facts, "tables": []}
    approved = _offered(without(plan, decision.keep), files, given)
    settings = apply_settings(approved, file, given)
    done = _apply_when_free(approved, settings)
    page, key = applied_page(done, decision, settings.lake.root), f"lakebed-applied-{approved.plan_id[:12]}"
    create_markdown_artifact(page, key=key, description="What was set aside")
    logger.info("approved by %s: %d tables set aside", decision.reviewer, len(done.receipts))
    for name, why in done.left:
        logger.info("%s stays: %s", name, why)
    return {**facts, "tables": [receipt.table.name for receipt in done.receipts], "n_bytes": done.n_bytes}


def _apply_when_free(plan: Plan, settings: "LakebedConfig") -> "Applied":
    """Applies the plan; while a run works on the artifact root, waits for its end.

    Raises:
        LeaseError, PlanError: if the root is still held after an hour.
    """
    until = time.monotonic() + _LEASE_WAIT_S
    while True:
        try:
            return apply(plan, settings)
        except (LeaseError, PlanError) as error:
            is_busy = isinstance(error, LeaseError) or isinstance(error.__cause__, LeaseError)
            if not is_busy or time.monotonic() > until:
                raise
            get_run_logger().info("waiting: %s (%s)", error.what, error.value)
            time.sleep(_POLL_S)


def _offered(plan: Plan, files: Collection[Path | None], given: dict[str, Any]) -> Plan:
    """A plan without the tables that are under a hold by now.

    Args:
        plan: made now, or written before.
        files: of settings; another one in the form takes no hold from what the deployment's own file holds.
        given: values that win over them.

    Raises:
        ConfigError: if a legal hold names no table.
    """
    holds: dict[str, str] = {}
    for file in files:
        holds |= held(plan.deleted, apply_settings(plan, file, given))
    return leaving(plan, {name: ("hold", why) for name, why in holds.items()}).sealed(plan.created_at)


def applied_page(done: "Applied", decision: Decision, lake: str) -> str:
    """What was set aside, by whose word, and how it is undone, as Markdown."""
    said = f": {code(decision.comment)}" if decision.comment else ""
    lines = [
        f"**{counted(len(done.receipts), 'table')} set aside**, {done.n_bytes:,} bytes, approved by "
        f"{code(decision.reviewer)}{said}.",
        "",
        f"Undo: {code(f'lakebed restore --all --lake {quoted(lake)}')}. "
        "Nothing is deleted, and nothing saved, before `lakebed purge`.",
        "",
        "| table | bytes | rebuilt from | purge not before |",
        "|---|---:|---|---|",
    ]
    lines += [
        f"| {code_cell(each.table.name)} | {each.n_bytes:,} | {', '.join(map(code_cell, each.table.parents))} | "
        f"{each.purge_not_before} |"
        for each in done.receipts[:SHOWN_TABLES]
    ]
    lines += ["", *(f"- {code(name)} stays: {code(why)}" for name, why in done.left[:SHOWN_TABLES])]
    return "\n".join(lines)


def without(plan: Plan, globs: Collection[str]) -> Plan:
    """The plan with some of its tables kept after all, sealed anew.

    Raises:
        PlanError: if a glob names none of the tables that the plan deletes.
    """
    deleted = [table.name for table in plan.deleted]
    names = {name for name in deleted if matches_any(name, globs)}.union(unmatched(globs, deleted))
    changed = leaving(plan, dict.fromkeys(names, ("reviewer", "a reviewer keeps it")))
    sealed = changed.sealed(plan.created_at)
    require_sealed(sealed)
    return sealed


def plan_page(plan: Plan) -> str:
    """The plan as Markdown."""
    deleted = plan.deleted
    n_bytes, n_read = (sum(table.n_bytes for table in tables) for tables in (deleted, plan.tables))
    saving = period_text(sum(table.saving.total for table in deleted if table.saving), plan.currency)
    share = f" ({n_bytes / n_read:.1%} of what was read)" if n_read else ""
    lines = [
        f"**{len(deleted):,} of {len(plan.tables):,} tables would be set aside**, {n_bytes:,} bytes{share}, "
        f"which would save {saving} once they are purged (prices of {plan.prices_date}).",
        "",
        f"Lake {code(plan.lake.root)}, plan `{plan.plan_id[:12]}`. Nothing is deleted: tables move to quarantine, "
        "`lakebed restore --all` brings them back. Each is rebuilt and compared once more before it moves.",
        "",
        "| table | bytes | rebuilt from |",
        "|---|---:|---|",
    ]
    lines += [
        f"| {code_cell(table.name)} | {table.n_bytes:,} | {', '.join(map(code_cell, table.parents))} |"
        for table in deleted[:SHOWN_TABLES]
    ]
    if len(deleted) > SHOWN_TABLES:
        lines += ["", f"… and {len(deleted) - SHOWN_TABLES:,} more"]
    shared = list(sharing(plan).items())[:SHOWN_TABLES]
    lines += ["", *(f"- {code(name)} shares a folder with {', '.join(map(code, rest[:5]))}" for name, rest in shared)]
    return "\n".join(lines)

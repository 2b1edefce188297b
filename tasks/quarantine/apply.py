"""`apply`: sets the tables of a plan aside.

First everything is verified that can be, all tables of the plan: what they are, that their parents are there, that
the rebuild of each equals it. A refusal up to here has changed nothing. Then the tables move one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lakebed.connectors.errors import ArtifactError, PlanError
from lakebed.tasks.quarantine.checks import moving_files, require_possible, require_unmoved
from lakebed.tasks.quarantine.kernel import EntryState, Phase, Step
from lakebed.tasks.quarantine.owners import require_unmanaged
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.rebuilding import Rebuilder
from lakebed.tasks.quarantine.receipt import (
    RECEIPT,
    Receipt,
    entry_id,
    make_pointer,
    make_receipt,
    quoted,
    write_model,
)
from lakebed.tasks.quarantine.restore import bring_back
from lakebed.tasks.retention.plan import Plan, PlannedTable
from lakebed.tasks.runtime.progress import shown

RECIPE = "recipe"


@dataclass(frozen=True)
class Applied:
    """What was set aside.

    Attributes:
        receipts: of all tables of the plan that are in quarantine now.
        n_before: how many of them were there already.
        quarantine: where they lie.
        left: tables of the plan that stay where they are, each with why.
    """

    receipts: tuple[Receipt, ...]
    n_before: int
    quarantine: str
    left: tuple[tuple[str, str], ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all files in quarantine by this plan."""
        return sum(receipt.n_bytes for receipt in self.receipts)


def apply_plan(quarantine: Quarantine, plan: Plan, rebuilder: Rebuilder) -> Applied:
    """Sets every table that the plan deletes aside; what an interrupted apply of the same plan left is finished first.

    Raises:
        PlanError: if the plan is refused. Tables that were set aside before stay so; no other is touched.
    """
    require_unmanaged(quarantine, plan, _moving(quarantine, plan))
    resume(quarantine, plan)
    before = [table for table in plan.deleted if _state(quarantine, plan, table).phase is Phase.SET_ASIDE]
    todo = [table for table in plan.deleted if table not in before]
    verified = verify(quarantine, plan, todo, rebuilder)
    receipts = _prepare(quarantine, plan, verified, rebuilder)
    require_unmoved(plan, todo, with_bytes=False)
    with shown().step("Setting tables aside", len(receipts)) as step:
        for receipt in receipts:
            set_aside(quarantine, receipt)
            step.advance()
    done = [quarantine.receipt(_state(quarantine, plan, table)) for table in plan.deleted]
    return Applied(tuple(done), len(before), quarantine.storage.root)


def preview(quarantine: Quarantine, plan: Plan, rebuilder: Rebuilder) -> Applied:
    """What `apply_plan` would do, verified in the same way; changes nothing.

    Raises:
        PlanError: if the plan would be refused.
    """
    require_unmanaged(quarantine, plan, _moving(quarantine, plan))
    phases = {table.name: _state(quarantine, plan, table).phase for table in plan.deleted}
    todo = [table for table in plan.deleted if phases[table.name] is Phase.AT_PLACE]
    verify(quarantine, plan, todo, rebuilder)
    before = [quarantine.receipt(_state(quarantine, plan, table)) for table in plan.deleted if table not in todo]
    receipts = [*before, *(_new_receipt(quarantine, plan, table) for table in todo)]
    return Applied(tuple(receipts), len(plan.deleted) - len(todo), quarantine.storage.root)


def verify(
    quarantine: Quarantine, plan: Plan, tables: Sequence[PlannedTable], rebuilder: Rebuilder
) -> list[PlannedTable]:
    """Verifies all that `apply` depends on; changes nothing.

    Returns:
        The tables, each with the recipe that was compared.

    Raises:
        PlanError: naming the first thing that is not as it must be.
    """
    if not tables:
        return []
    require_possible(quarantine, plan, tables)
    with shown().step("Comparing tables with the plan"):
        require_unmoved(plan, tables, with_bytes=True)
    with shown().step("Rebuilding and comparing", len(tables)) as step:
        verified = []
        for table in tables:
            verified.append(rebuilder.require_equal(table, plan.lake))
            step.advance()
    return verified


def resume(quarantine: Quarantine, plan: Plan) -> None:
    """Finishes the moves that an interrupted apply of this plan has begun; they were verified before they began."""
    for state in quarantine.live():
        if state.plan_id == plan.plan_id and state.phase is Phase.SETTING_ASIDE:
            set_aside(quarantine, quarantine.receipt(state))


def set_aside(quarantine: Quarantine, receipt: Receipt) -> None:
    """Moves one table into quarantine, or goes on where that was interrupted.

    Raises:
        PlanError: if somebody writes to the table meanwhile; then it is brought back.
    """
    journal, mover, route = quarantine.journal, quarantine.mover, quarantine.mover.aside(receipt)
    state = journal.states.get(receipt.entry)
    if state is None or state.phase is Phase.AT_PLACE:
        name, n_bytes = receipt.table.name, receipt.n_bytes
        state = journal.append(
            receipt.entry, Step.SET_ASIDE_BEGUN, table=name, plan_id=receipt.plan_id, n_bytes=n_bytes
        )
    pointer = make_pointer(receipt, quarantine.lake.root, quarantine.storage.root)
    try:
        write_model(quarantine.lake, receipt.pointer, pointer)
        if not state.is_copied:
            mover.copy(route)
            journal.append(receipt.entry, Step.SET_ASIDE_COPIED)
        mover.drop(route)
        mover.require_whole(quarantine.storage, receipt, is_back=False, with_bytes=False)
    except (PlanError, ArtifactError) as error:
        raise _brought_back(quarantine, receipt, error) from error
    journal.append(receipt.entry, Step.SET_ASIDE)


def _brought_back(quarantine: Quarantine, receipt: Receipt, error: PlanError | ArtifactError) -> PlanError:
    """Undoes a move that failed; where that fails too, the table stays half moved and restorable."""
    name = quoted(receipt.table.name)
    try:
        bring_back(quarantine, receipt)
        state = "it is back at its place"
    except (PlanError, ArtifactError) as failure:
        state = f"it could not be brought back at once: {failure.what}"
    return PlanError(
        f"{receipt.table.name} could not be set aside: {error.what}; {state}",
        value=error.value,
        expected=error.expected,
        hint=error.hint if "back at" in state else f"lakebed restore {name} --lake {quoted(quarantine.lake.root)}",
        examples=error.examples,
    )


def _prepare(quarantine: Quarantine, plan: Plan, tables: Sequence[PlannedTable], rebuilder: Rebuilder) -> list[Receipt]:
    """Writes receipts, and beside them what recipes need, before any table is touched."""
    receipts = []
    for table in tables:
        receipt = _new_receipt(quarantine, plan, table)
        rebuilder.keep(table, quarantine.storage, f"{receipt.folder}/{RECIPE}")
        write_model(quarantine.storage, f"{receipt.folder}/{RECEIPT}", receipt)
        receipts.append(receipt)
    return receipts


def _new_receipt(quarantine: Quarantine, plan: Plan, table: PlannedTable) -> Receipt:
    moving = moving_files(quarantine, table)
    return make_receipt(plan, table, moving.files, moving.layout, quarantine.config.grace_days)


def _moving(quarantine: Quarantine, plan: Plan) -> list[PlannedTable]:
    """The tables that are at their place, or on their way."""
    phases = {Phase.AT_PLACE, Phase.SETTING_ASIDE}
    return [table for table in plan.deleted if _state(quarantine, plan, table).phase in phases]


def _state(quarantine: Quarantine, plan: Plan, table: PlannedTable) -> EntryState:
    entry = entry_id(plan.plan_id, table.name)
    at_place = EntryState(entry, table.name, plan.plan_id, Phase.AT_PLACE, False, "", {})
    return quarantine.states.get(entry, at_place)

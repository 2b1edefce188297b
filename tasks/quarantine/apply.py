"""`apply`: sets the tables of a plan aside.

First everything is verified that can be, all tables of the plan: what they are, that their parents are there, that
the rebuild of each equals it. A refusal up to here has changed nothing. Then the tables move one by one. A table that
something speaks against stays by itself, and the others go on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lakebed.connectors.errors import ArtifactError, PlanError
from lakebed.tasks.quarantine.checks import (
    Movable,
    changed_tables,
    require_no_more,
    require_readable,
    require_ready,
    require_room,
)
from lakebed.tasks.quarantine.kernel import EntryState, Phase, Step
from lakebed.tasks.quarantine.owners import managed_tables
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.rebuilding import Rebuilder
from lakebed.tasks.quarantine.receipt import (
    Receipt,
    entry_id,
    make_pointer,
    make_receipt,
    quoted,
    write_model,
)
from lakebed.tasks.quarantine.restore import bring_back
from lakebed.tasks.quarantine.staying import Staying
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


def apply_plan(quarantine: Quarantine, plan: Plan, rebuilder: Rebuilder, named: Collection[str] = ()) -> Applied:
    """Sets every table that the plan deletes aside; what an interrupted apply of the same plan left is finished first.

    Args:
        quarantine: held.
        plan: the plan.
        rebuilder: of its recipes.
        named: tables that were asked for by name; others stay where they are if something speaks against them.

    Raises:
        PlanError: if a table that was named, or every table, has to stay, or nothing can be done here at all. Tables
            that were set aside before stay so.
    """
    stay = Staying(named)
    _leave_managed(quarantine, plan, stay)
    resume(quarantine, plan, stay)
    before = [table for table in plan.deleted if _state(quarantine, plan, table).phase is Phase.SET_ASIDE]
    todo = [table for table in plan.deleted if table not in before and table.name not in stay]
    movable = Movable(quarantine, plan)
    verified = verify(movable, todo, rebuilder, stay)
    receipts = _prepare(movable, verified, rebuilder, stay)
    for name, error in changed_tables(plan, verified, with_bytes=False).items() if verified else ():
        stay.leave(name, error)
    stay.require_named()
    with shown().step("Setting tables aside", len(receipts)) as step:
        for receipt in receipts:
            if receipt.table.name not in stay:
                _try_set_aside(quarantine, receipt, stay)
            step.advance()
    stay.require_named()
    states = [_state(quarantine, plan, table) for table in plan.deleted]
    done = [quarantine.receipt(state) for state in states if state.phase is Phase.SET_ASIDE]
    stay.require_any(done)
    return Applied(tuple(done), len(before), quarantine.storage.root, stay.reasons)


def preview(quarantine: Quarantine, plan: Plan, rebuilder: Rebuilder, named: Collection[str] = ()) -> Applied:
    """What `apply_plan` would do, verified in the same way; changes nothing.

    Raises: as `apply_plan`.
    """
    stay = Staying(named)
    _leave_managed(quarantine, plan, stay)
    phases = {table.name: _state(quarantine, plan, table).phase for table in plan.deleted}
    todo = [table for table in plan.deleted if phases[table.name] is Phase.AT_PLACE and table.name not in stay]
    movable = Movable(quarantine, plan)
    verified = verify(movable, todo, rebuilder, stay)
    aside = [table for table in plan.deleted if phases[table.name] is not Phase.AT_PLACE and table.name not in stay]
    receipts = [quarantine.receipt(_state(quarantine, plan, table)) for table in aside]
    receipts += [_new_receipt(movable, table) for table in verified]
    stay.require_any(receipts)
    return Applied(tuple(receipts), len(aside), quarantine.storage.root, stay.reasons)


def verify(movable: Movable, tables: Sequence[PlannedTable], rebuilder: Rebuilder, stay: Staying) -> list[PlannedTable]:
    """Verifies all that `apply` depends on; changes nothing.

    Returns:
        The tables that may move, each with the recipe that was compared; the others are noted in `stay`.

    Raises:
        PlanError: if a table that was named may not, or nothing can be done here at all.
    """
    stay.require_named()
    if not tables:
        return []
    plan = movable.plan
    require_ready(movable.quarantine, plan)
    for table in tables:
        with stay.trying(table.name):
            movable.require(table)
    sound = [table for table in tables if table.name not in stay]
    require_room(movable.quarantine, sound)
    with shown().step("Comparing tables with the plan"):
        for name, error in changed_tables(plan, sound, with_bytes=True).items():
            stay.leave(name, error)
    stay.require_named()
    sound = [table for table in sound if table.name not in stay]
    verified = []
    with shown().step("Rebuilding and comparing", len(sound)) as step:
        for table in sound:
            with stay.trying(table.name):
                verified.append(rebuilder.require_equal(table, plan.lake))
            step.advance()
    stay.require_named()
    return verified


def resume(quarantine: Quarantine, plan: Plan, stay: Staying) -> None:
    """Finishes the moves that an interrupted apply of this plan has begun; they were verified before they began."""
    for state in quarantine.live():
        if state.plan_id == plan.plan_id and state.phase is Phase.SETTING_ASIDE and state.table not in stay:
            _try_set_aside(quarantine, quarantine.receipt(state), stay)


def _leave_managed(quarantine: Quarantine, plan: Plan, stay: Staying) -> None:
    """Tables of other systems stay, half moved or at their place, in the folder as it is now."""
    phases = {Phase.AT_PLACE, Phase.SETTING_ASIDE}
    moving = [table for table in plan.deleted if _state(quarantine, plan, table).phase in phases]
    for name, error in managed_tables(quarantine, plan, moving).items():
        stay.leave(name, error)


def _try_set_aside(quarantine: Quarantine, receipt: Receipt, stay: Staying) -> None:
    """Moves one table, or notes why it stays.

    Raises:
        PlanError: if it could not be brought back either: then nothing else is touched.
    """
    try:
        set_aside(quarantine, receipt)
    except PlanError as error:
        state = quarantine.states.get(receipt.entry)
        if state is not None and state.is_live:
            raise
        stay.leave(receipt.table.name, error)


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
        mover.require_aside(receipt)
        require_no_more(quarantine, receipt)
        require_readable(quarantine, receipt)
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


def _prepare(movable: Movable, tables: Sequence[PlannedTable], rebuilder: Rebuilder, stay: Staying) -> list[Receipt]:
    """Writes receipts, and beside them what recipes need, before any table is touched."""
    receipts, quarantine = [], movable.quarantine
    for table in tables:
        with stay.trying(table.name):
            receipt = _new_receipt(movable, table)
            rebuilder.keep(table, quarantine.storage, f"{receipt.folder}/{RECIPE}")
            quarantine.keep(receipt)
            receipts.append(receipt)
    stay.require_named()
    return receipts


def _new_receipt(movable: Movable, table: PlannedTable) -> Receipt:
    return make_receipt(movable.plan, table, movable.moving(table), movable.quarantine.config.grace_days)


def _state(quarantine: Quarantine, plan: Plan, table: PlannedTable) -> EntryState:
    entry = entry_id(plan.plan_id, table.name)
    at_place = EntryState(entry, table.name, plan.plan_id, Phase.AT_PLACE, False, "", {})
    return quarantine.states.get(entry, at_place)

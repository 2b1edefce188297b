"""`purge`: deletes tables that were set aside, after their time; the only verb that deletes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.kernel import EntryState, Phase, Step
from lakebed.tasks.quarantine.owners import require_deletable
from lakebed.tasks.quarantine.pins import require_pins
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.rebuilding import Rebuilder
from lakebed.tasks.quarantine.receipt import Receipt, quoted
from lakebed.tasks.quarantine.restore import RECIPE, chosen_entries
from lakebed.tasks.runtime.progress import shown


@dataclass(frozen=True)
class Purged:
    """What was deleted: names of tables, and the bytes of their files."""

    tables: tuple[str, ...]
    n_bytes: int


def purge(quarantine: Quarantine, tables: Sequence[str] | None, rebuilder: Rebuilder) -> Purged:
    """Deletes the files of tables in quarantine whose time is over; None means all that are due.

    Each is rebuilt and compared once more before its files go: afterwards the recipe is all there is.

    Raises:
        PlanError: if a table named is not due or not set aside, or none is due; if a parent has moved or a rebuild
            differs. Nothing was deleted then.
    """
    due = due_entries(quarantine, tables)
    with shown().step("Rebuilding and comparing", len(due)) as step:
        for state, receipt in due:
            if state.phase is Phase.SET_ASIDE:
                require_pins(quarantine, [receipt], with_bytes=True)
                rebuilder.require_equal(receipt.table, receipt.lake, quarantine.storage.uri(receipt.folder, RECIPE))
            step.advance()
    with shown().step("Deleting tables", len(due)) as step:
        for state, receipt in due:
            _delete(quarantine, state, receipt)
            step.advance()
    return Purged(tuple(state.table for state, _ in due), sum(receipt.n_bytes for _, receipt in due))


def due_entries(quarantine: Quarantine, tables: Sequence[str] | None) -> list[tuple[EntryState, Receipt]]:
    """The tables that may be purged now, with their receipts; interrupted purges among them.

    Raises:
        PlanError: as `purge` says.
    """
    found = []
    early: list[tuple[str, EntryState]] = []
    for state in chosen_entries(quarantine, tables):
        receipt = quarantine.receipt(state)
        if state.phase not in {Phase.SET_ASIDE, Phase.PURGING}:
            if tables is not None:
                raise _not_set_aside(quarantine, state)
            continue
        if state.phase is Phase.SET_ASIDE and datetime.now(UTC) < (due := due_at(quarantine, receipt)):
            early.append((due.isoformat(timespec="seconds"), state))
            continue
        found.append((state, receipt))
    if early and (tables is not None or not found):
        raise _too_early(quarantine, min(early, key=lambda pair: pair[0]))
    if not found:
        raise PlanError(
            "no table can be purged; nothing was done",
            value=f"{len(quarantine.live())} tables in quarantine",
            expected="tables that were set aside",
            hint="lakebed status --artifacts DIR",
        )
    require_deletable(quarantine, found)
    return found


def due_at(quarantine: Quarantine, receipt: Receipt) -> datetime:
    """When a table may be purged: what its receipt promises, or later if the config has become more careful."""
    promised = datetime.fromisoformat(receipt.purge_not_before)
    configured = datetime.fromisoformat(receipt.set_aside_at) + timedelta(days=quarantine.config.grace_days)
    return max(promised, configured)


def _delete(quarantine: Quarantine, state: EntryState, receipt: Receipt) -> None:
    if state.phase is Phase.SET_ASIDE:
        quarantine.journal.append(receipt.entry, Step.PURGE_BEGUN)
    quarantine.mover.delete(receipt)
    quarantine.journal.append(receipt.entry, Step.PURGED)


def _too_early(quarantine: Quarantine, early: tuple[str, EntryState]) -> PlanError:
    due, state = early
    return PlanError(
        "a table may not be purged yet; nothing was deleted",
        value=f"{state.table}, set aside at {state.since}",
        expected=f"{due} or later: {quarantine.config.grace_days:g} days of grace",
        hint=f"wait; or lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
    )


def _not_set_aside(quarantine: Quarantine, state: EntryState) -> PlanError:
    return PlanError(
        "only a table that is set aside can be purged; nothing was deleted",
        value=f"{state.table} is {state.phase}",
        expected=str(Phase.SET_ASIDE),
        hint=f"lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
    )

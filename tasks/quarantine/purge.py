"""`purge`: deletes tables that were set aside, after their time; the only verb that deletes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.keepers import kept_by_catalogs
from lakebed.tasks.quarantine.kernel import EntryState, Phase, Step
from lakebed.tasks.quarantine.owners import kept_by_others
from lakebed.tasks.quarantine.pins import require_pins
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.rebuilding import Rebuilder
from lakebed.tasks.quarantine.receipt import DATA, Receipt, quoted
from lakebed.tasks.quarantine.restore import RECIPE, chosen_entries
from lakebed.tasks.quarantine.staying import Staying
from lakebed.tasks.runtime.progress import shown


@dataclass(frozen=True)
class Purged:
    """What was deleted, or would be.

    Attributes:
        tables: their names.
        n_bytes: of their files.
        waiting: tables that stay in quarantine, each with why; only where all that are due were asked for.
    """

    tables: tuple[str, ...]
    n_bytes: int
    waiting: tuple[tuple[str, str], ...] = ()


@dataclass
class _Due:
    """What may be purged, and what stays in quarantine."""

    stay: Staying
    entries: list[tuple[EntryState, Receipt]] = field(default_factory=list)

    def going(self) -> list[tuple[EntryState, Receipt]]:
        """Those that may go still.

        Raises:
            PlanError: if one that was named may not.
        """
        self.stay.require_named()
        return [entry for entry in self.entries if entry[0].table not in self.stay]

    def answer(self) -> Purged:
        entries = self.going()
        names, n_bytes = (state.table for state, _ in entries), sum(receipt.n_bytes for _, receipt in entries)
        return Purged(tuple(names), n_bytes, self.stay.reasons)


def purge(
    quarantine: Quarantine, tables: Sequence[str] | None, rebuilder: Rebuilder, holds: Mapping[str, str] | None = None
) -> Purged:
    """Deletes the files of tables in quarantine whose time is over; None means all that are due.

    Each is rebuilt and compared once more before its files go: afterwards the recipe is all there is.

    Args:
        quarantine: held.
        tables: names, each of which must go; with None those that may not go are named and stay.
        rebuilder: of the lake's recipes.
        holds: why a table may not be deleted, by its name.

    Raises:
        PlanError: if a table named is not due, not set aside or under a hold, its parent has changed or its rebuild
            differs. Nothing was deleted then.
    """
    due = _due(quarantine, tables, holds or {})
    entries = due.going()
    with shown().step("Rebuilding and comparing", len(entries)) as step:
        for state, receipt in entries:
            if state.phase is Phase.SET_ASIDE or quarantine.mover.is_aside(receipt):
                with due.stay.trying(state.table):
                    _require_rebuilt(quarantine, receipt, rebuilder)
            step.advance()
    entries = due.going()
    with shown().step("Deleting tables", len(entries)) as step:
        for state, receipt in entries:
            _delete(quarantine, state, receipt)
            step.advance()
    return due.answer()


def preview(quarantine: Quarantine, tables: Sequence[str] | None, holds: Mapping[str, str] | None = None) -> Purged:
    """What `purge` would delete, before any rebuild; changes nothing.

    Raises: as `purge`.
    """
    return _due(quarantine, tables, holds or {}).answer()


def _require_rebuilt(quarantine: Quarantine, receipt: Receipt, rebuilder: Rebuilder) -> None:
    """Compares a rebuild with a table whose files are all there; the receipt keeps what it was compared by."""
    require_pins(quarantine, [receipt], with_bytes=True)
    recipe, data = (quarantine.storage.uri(receipt.folder, folder) for folder in (RECIPE, DATA))
    table = rebuilder.require_equal(receipt.table, receipt.lake, recipe, data)
    if table != receipt.table:
        quarantine.keep(receipt.model_copy(update={"table": table}))


def _due(quarantine: Quarantine, tables: Sequence[str] | None, holds: Mapping[str, str]) -> _Due:
    """The tables that may be purged now, interrupted purges among them, and what the others wait for."""
    due = _Due(Staying(tables or ()))
    for state in chosen_entries(quarantine, tables):
        if state.phase not in {Phase.SET_ASIDE, Phase.PURGING}:
            if tables is not None:
                due.stay.leave(state.table, _not_set_aside(quarantine, state))
            continue
        entry = state, quarantine.receipt(state)
        with due.stay.trying(state.table):
            _require_due(quarantine, *entry, holds)
        due.entries.append(entry)
    for name, error in (kept_by_others(quarantine, due.going()) | kept_by_catalogs(quarantine, due.going())).items():
        due.stay.leave(name, error)
    return due


def _require_due(quarantine: Quarantine, state: EntryState, receipt: Receipt, holds: Mapping[str, str]) -> None:
    earliest = due_at(quarantine, receipt)
    if state.table in holds:
        raise _under_hold(quarantine, state, holds[state.table])
    if state.phase is Phase.SET_ASIDE and datetime.now(UTC) < earliest:
        raise _too_early(quarantine, earliest.isoformat(timespec="seconds"), state)


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


def _too_early(quarantine: Quarantine, due: str, state: EntryState) -> PlanError:
    return PlanError(
        "a table may not be purged yet; nothing was deleted",
        value=f"{state.table}, set aside at {state.since}",
        expected=f"{due} or later: {quarantine.config.grace_days:g} days of grace",
        hint=f"wait; or lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
    )


def _under_hold(quarantine: Quarantine, state: EntryState, why: str) -> PlanError:
    return PlanError(
        "a table under a hold may not be purged; nothing was deleted",
        value=f"{state.table}: {why}",
        expected="a table under no hold",
        hint=f"lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
    )


def _not_set_aside(quarantine: Quarantine, state: EntryState) -> PlanError:
    return PlanError(
        "only a table that is set aside can be purged; nothing was deleted",
        value=f"{state.table} is {state.phase}",
        expected=str(Phase.SET_ASIDE),
        hint=f"lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
    )

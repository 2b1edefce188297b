"""`restore`: brings tables back, from quarantine with their bytes, or rebuilt once they were purged."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakebed.connectors.errors import ArtifactError, LakeError, PlanError
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.appeared import beside_command, taken_place
from lakebed.tasks.quarantine.beside import place_beside, require_free_beside
from lakebed.tasks.quarantine.keepers import require_free_name
from lakebed.tasks.quarantine.kernel import EntryState, Phase, Step
from lakebed.tasks.quarantine.mover import file_sha256
from lakebed.tasks.quarantine.place import REBUILT, Quarantine
from lakebed.tasks.quarantine.rebuilding import Rebuilder
from lakebed.tasks.quarantine.receipt import DATA, Receipt, quoted
from lakebed.tasks.retention.plan import FileIdentity
from lakebed.tasks.runtime.progress import shown

RECIPE = "recipe"


@dataclass(frozen=True)
class Restored:
    """What came back.

    Attributes:
        moved: names of tables that came back from quarantine, byte for byte.
        rebuilt: names of tables that were rebuilt, row for row.
        n_bytes: bytes of the files of both.
        beside: the path in the lake to which the table came, where that is not its own.
    """

    moved: tuple[str, ...]
    rebuilt: tuple[str, ...]
    n_bytes: int
    beside: str = ""


def chosen_entries(quarantine: Quarantine, tables: Sequence[str] | None) -> list[EntryState]:
    """The live entries of the tables named, all of them for None.

    Raises:
        PlanError: if a table named is not in quarantine.
    """
    live = quarantine.live()
    if tables is None:
        return list(live)
    by_name = {state.table: state for state in live}
    if unknown := [name for name in tables if name not in by_name]:
        raise PlanError(
            "no such table is in quarantine; nothing was done",
            value=unknown[0],
            expected=f"one of {', '.join(sorted(by_name)[:5])}" if by_name else "a table that was set aside",
            hint="lakebed status --artifacts DIR",
            examples=unknown[1:],
        )
    return [by_name[name] for name in dict.fromkeys(tables)]


def restore(quarantine: Quarantine, tables: Sequence[str] | None, rebuilder: Rebuilder, beside: str = "") -> Restored:
    """Brings tables back, all of them for None; what an interrupted restore left is finished.

    Args:
        quarantine: held.
        tables: names.
        rebuilder: of the lake's recipes.
        beside: another place in the lake than its own, for one table.

    Raises:
        PlanError: if a table is not in quarantine or its place is taken, before anything is touched; if its parent has
            changed, after all others are back; if something else gets in the way when its turn has come.
    """
    entries, beside = _free_entries(quarantine, tables, beside)
    whole = [entry for entry in entries if _can_come_back(quarantine, *entry)]
    gone = [entry for entry in entries if entry not in whole]
    n_bytes, rebuilt, failures = 0, [], []
    with shown().step("Restoring tables", len(entries)) as step:
        for _, receipt in whole:
            bring_back(quarantine, receipt, beside)
            n_bytes += receipt.n_bytes
            step.advance()
        for state, receipt in gone:
            try:
                n_bytes += rebuild(quarantine, state, receipt, rebuilder, beside).n_bytes
                rebuilt.append(state.table)
            except PlanError as error:
                failures.append(error)
            step.advance()
    if failures:
        raise _all_of(failures, len(whole) + len(rebuilt))
    return Restored(tuple(state.table for state, _ in whole), tuple(rebuilt), n_bytes, beside)


def preview(quarantine: Quarantine, tables: Sequence[str] | None, beside: str = "") -> Restored:
    """What `restore` would do; changes nothing, and does not try whether parents still serve.

    Raises:
        PlanError: if a table is not in quarantine or its place is taken.
    """
    entries, beside = _free_entries(quarantine, tables, beside)
    moved = [state.table for state, receipt in entries if _can_come_back(quarantine, state, receipt)]
    rebuilt = [state.table for state, _ in entries if state.table not in moved]
    return Restored(tuple(moved), tuple(rebuilt), sum(receipt.n_bytes for _, receipt in entries), beside)


def require_free_place(quarantine: Quarantine, state: EntryState, receipt: Receipt) -> None:
    """Refuses a restore onto something that exists; files of an interrupted move are looked at when they move.

    Raises:
        PlanError: naming what lies there.
    """
    if state.phase in {Phase.SET_ASIDE, Phase.PURGED} and receipt.catalog is not None:
        require_free_name(receipt)
    if state.phase in {Phase.SET_ASIDE, Phase.PURGED} and (place := taken_place(quarantine.lake, receipt)):
        raise PlanError(
            "something lies in the place of a table to restore; nothing was overwritten",
            value=quarantine.lake.uri(place),
            expected="an empty place",
            hint=f"{beside_command(quarantine.lake.root, receipt)}; or move away what lies there",
        )


def bring_back(quarantine: Quarantine, receipt: Receipt, beside: str = "") -> None:
    """Moves one table from quarantine to its place or another, or goes on where that was interrupted.

    Raises:
        PlanError: if the place is taken, or a file in quarantine is not what was put there.
    """
    journal, mover = quarantine.journal, quarantine.mover
    state = journal.states[receipt.entry]
    if state.phase is Phase.SET_ASIDE:
        mover.require_aside(receipt)
    if state.phase not in {Phase.RESTORING, Phase.REBUILDING}:
        # before the copies were whole nothing was taken from the place, where the owner may have written since
        is_at_place = state.phase is Phase.SETTING_ASIDE and not state.is_copied
        state = journal.append(receipt.entry, Step.RESTORE_BEGUN, is_at_place=is_at_place, beside=beside)
    route = mover.back(receipt, _beside(state))
    if not state.facts.get("is_at_place"):
        mover.copy(route)
    if state.phase is Phase.RESTORING and not state.is_copied:
        journal.append(receipt.entry, Step.RESTORE_COPIED)
    mover.drop(route)
    quarantine.lake.delete_file(receipt.pointer)
    journal.append(receipt.entry, Step.RESTORED)


def rebuild(
    quarantine: Quarantine, state: EntryState, receipt: Receipt, rebuilder: Rebuilder, beside: str = ""
) -> Receipt:
    """Rebuilds one table from its parents into the quarantine, verified, and moves it to its place or another.

    Raises:
        PlanError: if a parent has changed; the table stays purged.
    """
    journal, data = quarantine.journal, f"{receipt.folder}/{DATA}"
    if state.phase is not Phase.REBUILDING:
        state = journal.append(receipt.entry, Step.REBUILD_BEGUN, beside=beside)
    if not state.is_copied:
        if receipt.catalog is not None:
            # what a purge that was killed left in its place would be in the way
            quarantine.mover.delete(receipt)
        quarantine.storage.delete_folder(data)
        try:
            kept = quarantine.storage.uri(receipt.folder, RECIPE)
            paths = rebuilder.write(receipt.table, receipt.lake, kept, quarantine.storage.uri(data))
        except LakeError as error:
            journal.append(receipt.entry, Step.REBUILD_FAILED)
            raise _not_rebuilt(receipt, error) from error
        files = tuple(_identity(quarantine.storage, receipt, path) for path in paths)
        receipt = receipt.model_copy(update={"files": files})
        quarantine.keep(receipt, REBUILT)
        journal.append(receipt.entry, Step.REBUILT)
    bring_back(quarantine, receipt)
    if not (receipt.table.recipe or {}).get("traits"):
        shown().note(
            f"{receipt.table.name}: purged before its traits were known; rows, types and their order are right"
        )
    return receipt


def _free_entries(
    quarantine: Quarantine, tables: Sequence[str] | None, beside: str
) -> tuple[list[tuple[EntryState, Receipt]], str]:
    """The entries chosen, of which the places are free, and the other place for the only one of them, if any."""
    entries = [(state, quarantine.receipt(state)) for state in chosen_entries(quarantine, tables)]
    if not beside:
        for entry in entries:
            require_free_place(quarantine, *entry)
        return entries, ""
    ((state, receipt),) = entries
    place = place_beside(receipt, beside)
    _require_begun(quarantine, state, place)
    require_free_beside(quarantine, state, receipt, place)
    return entries, place


def _require_begun(quarantine: Quarantine, state: EntryState, beside: str) -> None:
    """Refuses to lead a move that has begun to another place.

    Raises:
        PlanError: naming the move.
    """
    if state.phase is Phase.SETTING_ASIDE or (
        state.phase in {Phase.RESTORING, Phase.REBUILDING} and _beside(state) != beside
    ):
        raise PlanError(
            "a table is half moved already, and not to that place; nothing was done",
            value=f"{state.table}, {state.phase} to {_beside(state) or 'its own place'}",
            expected="a table that lies whole in quarantine",
            hint=f"lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
        )


def _beside(state: EntryState) -> str:
    """The place to which a move that has begun leads; empty is the table's own."""
    return str(state.facts.get("beside", ""))


def _all_of(failures: Sequence[PlanError], n_restored: int) -> PlanError:
    """One error for all tables that could not be rebuilt; the others are back."""
    first = failures[0]
    what = f"{first.what}; {n_restored:,} other tables are back" if n_restored else first.what
    others = [failure.what for failure in failures[1:]]
    return PlanError(what, value=first.value, expected=first.expected, hint=first.hint, examples=others)


def _can_come_back(quarantine: Quarantine, state: EntryState, receipt: Receipt) -> bool:
    """Whether the original files are all there; a purge that was killed before it deleted any can still be undone."""
    if state.phase is Phase.PURGING:
        return quarantine.mover.is_aside(receipt)
    return state.phase not in {Phase.PURGED, Phase.REBUILDING}


def _identity(storage: Storage, receipt: Receipt, path: str) -> FileIdentity:
    kept = receipt.kept_at(path)
    found = storage.stat(kept)
    if found is None:
        raise ArtifactError("a rebuilt file is missing", value=storage.uri(kept), hint="give the same command again")
    return FileIdentity(path=path, size=found.size, mtime_ns=found.mtime_ns, sha256=file_sha256(storage, kept))


def _not_rebuilt(receipt: Receipt, error: LakeError) -> PlanError:
    return PlanError(
        f"{receipt.table.name} cannot be rebuilt: {error.what}",
        value=error.value,
        expected=error.expected or "its parents as they were when it was set aside",
        hint=error.hint
        if error.hint not in {"", "lakebed plan"}
        else f"bring {', '.join(receipt.table.parents)} back to the state that the receipt names, then restore again",
        examples=error.examples,
    )

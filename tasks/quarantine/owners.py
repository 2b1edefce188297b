"""Parts of tables that other systems keep: never moved, never deleted, whatever an older plan says."""

from collections.abc import Iterable, Iterator, Sequence

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.managed import NAMES, ManagedFolders, managed_files, owner_above
from lakebed.tasks.quarantine.kernel import EntryState, Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import Receipt, quoted
from lakebed.tasks.retention.plan import Plan, PlannedTable, TableIdentity


def require_unmanaged(quarantine: Quarantine, plan: Plan, tables: Sequence[PlannedTable]) -> None:
    """Refuses tables, and tables that are rebuilt from parents, that lie in managed tables of the folder as it is now.

    A streaming sink and a Delta table are fine as a whole, unless another system keeps a table in their folder.

    Args:
        quarantine: of the lake.
        plan: the plan.
        tables: of it that are about to move, or half moved.

    Raises:
        PlanError: naming table, managed table, format and the next command.
    """
    if not tables:
        return
    managed = managed_files(quarantine.lake)
    names = dict.fromkeys([*(table.name for table in tables), *(name for table in tables for name in table.parents)])
    found = [what for name in names for what in _owned(name, plan.table(name).identity, managed)]
    found += [
        f"{table.name}: {inner.folder} in its folder is kept by {inner.told}"
        for table in tables
        if (inner := managed.below("" if table.identity.path == "." else table.identity.path)) is not None
        and (table.identity.format == "delta" or table.identity.path in managed.sinks)
    ]
    if found:
        lake = quoted(quarantine.lake.root)
        half = [quoted(state.table) for state in quarantine.live() if state.phase is Phase.SETTING_ASIDE]
        raise PlanError(
            "a table of the plan is part of a table that another system keeps; nothing was done",
            value=found[0],
            expected="tables that nothing but their files makes up, or Delta tables",
            hint=f"lakebed restore {' '.join(half)} --lake {lake}"
            if half
            else f"lakebed run --lake {lake}; lakebed plan",
            examples=found[1:],
        )


def require_deletable(quarantine: Quarantine, entries: Iterable[tuple[EntryState, Receipt]]) -> None:
    """Refuses to delete what came out of a managed table: its system still names the files.

    Their place is looked at as it would be with the files back. A streaming sink counts: no rebuild writes its log.

    Raises:
        PlanError: naming table, managed table, format, and `restore`.
    """
    receipts = [receipt for _, receipt in entries]
    if not receipts:
        return
    managed = managed_files(quarantine.lake, (file.path for receipt in receipts for file in receipt.files))
    above = owner_above(quarantine.lake.root)
    found: dict[str, str] = {}
    for receipt in receipts:
        whats = [f"{receipt.table.name}: in {above.folder}, kept by {above.told}"] if above else []
        whats += _owned(receipt.table.name, receipt.table.identity, managed)
        whats += [what for parent in receipt.parents for what in _owned(parent.name, parent, managed)]
        sinks = {managed.sink(file.path) for file in receipt.files} - {None}
        whats += [f"{receipt.table.name}: in {sink}, kept by {NAMES['sink']}" for sink in sinks]
        found |= {receipt.table.name: whats[0]} if whats else {}
    if found:
        raise PlanError(
            "a table in quarantine is part of a table that another system keeps; nothing was deleted",
            value=next(iter(found.values())),
            expected="tables that nothing but their files makes up, or Delta tables",
            hint=f"lakebed restore {' '.join(map(quoted, found))} --lake {quoted(quarantine.lake.root)}",
            examples=list(found.values())[1:],
        )


def _owned(name: str, identity: TableIdentity, managed: ManagedFolders) -> Iterator[str]:
    """Of what managed table a table is a part; at most one."""
    for file in (*identity.files, *identity.log_files):
        if (owner := managed.owner(file.path)) is not None:
            yield f"{name}: in {owner.folder or '.'}, kept by {owner.told}"
            return
        sink = managed.sink(file.path)
        if sink is not None and (sink or ".") != identity.path:
            yield f"{name}: in {sink or '.'}, kept by {NAMES['sink']}"
            return

"""Parts of tables that other systems keep: never moved, never deleted, whatever an older plan says."""

from collections.abc import Iterator, Sequence

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.managed import NAMES, ManagedFolders, managed_files, owner_above
from lakebed.tasks.quarantine.kernel import EntryState, Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import Receipt, quoted
from lakebed.tasks.retention.plan import Plan, PlannedTable, TableIdentity


def managed_tables(quarantine: Quarantine, plan: Plan, tables: Sequence[PlannedTable]) -> dict[str, PlanError]:
    """Tables, and tables that are rebuilt from parents, that lie in managed tables of the folder as it is now.

    A streaming sink and a Delta table are fine as a whole, unless another system keeps a table in their folder.

    Args:
        quarantine: of the lake.
        plan: the plan.
        tables: of it that are about to move, or half moved.

    Returns:
        By the table's name the error that says managed table, format and the next command.
    """
    if not tables:
        return {}
    managed = managed_files(quarantine.lake)
    half = {state.table for state in quarantine.live() if state.phase is Phase.SETTING_ASIDE}
    lake, found = quoted(quarantine.lake.root), {}
    for table in tables:
        whats = [
            what for name in (table.name, *table.parents) for what in _owned(name, plan.table(name).identity, managed)
        ]
        inner = managed.below("" if table.identity.path == "." else table.identity.path)
        if inner is not None and (table.identity.format == "delta" or table.identity.path in managed.sinks):
            whats.append(f"{table.name}: {inner.folder} in its folder is kept by {inner.told}")
        if whats:
            again = f"lakebed run --lake {lake}; lakebed plan"
            found[table.name] = PlanError(
                "a table of the plan is part of a table that another system keeps; nothing was done",
                value=whats[0],
                expected="tables that nothing but their files makes up, or Delta tables",
                hint=f"lakebed restore {quoted(table.name)} --lake {lake}" if table.name in half else again,
            )
    return found


def kept_by_others(quarantine: Quarantine, entries: Sequence[tuple[EntryState, Receipt]]) -> dict[str, PlanError]:
    """What must not be deleted because it came out of a managed table: its system still names the files.

    Their place is looked at as it would be with the files back. A streaming sink counts: no rebuild writes its log.

    Returns:
        By the table's name the error that says managed table, format, and `restore`.
    """
    if not entries:
        return {}
    managed = managed_files(quarantine.lake, (file.path for _, receipt in entries for file in receipt.files))
    above = owner_above(quarantine.lake.root)
    found = {}
    for _, receipt in entries:
        name = receipt.table.name
        whats = [f"{name}: in {above.folder}, kept by {above.told}"] if above else []
        whats += _owned(name, receipt.table.identity, managed)
        whats += [what for parent in receipt.parents for what in _owned(parent.name, parent, managed)]
        sinks = {managed.sink(file.path) for file in receipt.files} - {None}
        whats += [f"{name}: in {sink}, kept by {NAMES['sink']}" for sink in sinks]
        if whats:
            found[name] = PlanError(
                "a table in quarantine is part of a table that another system keeps; nothing was deleted",
                value=whats[0],
                expected="tables that nothing but their files makes up, or Delta tables",
                hint=f"lakebed restore {quoted(name)} --lake {quoted(quarantine.lake.root)}",
            )
    return found


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

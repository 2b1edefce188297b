"""Parts of tables that other systems keep: never moved, never deleted, whatever an older plan says."""

from collections.abc import Iterable, Iterator, Sequence

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.iceberg.model import METADATA, READING, FileReading
from lakebed.connectors.lake.lake_root import LakeRoot, plain_path
from lakebed.connectors.lake.managed import NAMES, Managed, ManagedFolders, managed_files, owner_above
from lakebed.connectors.lake.model import TEXT_FORMATS
from lakebed.tasks.quarantine.kernel import EntryState, Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import Receipt, quoted
from lakebed.tasks.retention.plan import Plan, PlannedTable, TableIdentity


def managed_tables(quarantine: Quarantine, plan: Plan, tables: Sequence[PlannedTable]) -> dict[str, PlanError]:
    """Tables, and tables that are rebuilt from parents, that lie in managed tables of the folder as it is now.

    A streaming sink, a Delta and an Iceberg table are fine as a whole, unless another system keeps a table in their
    folder.

    Args:
        quarantine: of the lake.
        plan: the plan.
        tables: of it that are about to move, or half moved.

    Returns:
        By the table's name the error that says managed table, format and the next command.
    """
    if not tables:
        return {}
    managed = managed_files(quarantine.lake, keepers=quarantine.keepers(plan.lake))
    managed.copied.update(_recorded(quarantine))
    half = {state.table for state in quarantine.live() if state.phase is Phase.SETTING_ASIDE}
    lake, found = quoted(quarantine.lake.root), {}
    for table in tables:
        whats = [
            what for name in (table.name, *table.parents) for what in _owned(name, plan.table(name).identity, managed)
        ]
        whats += _nested(table.name, table.identity, managed)
        whats += _inside(table.name, table.identity, managed)
        whats += _copied(table.name, (file.path for file in table.identity.files), managed)
        if doubt := _doubt(table.identity, managed, plan.lake, is_final=False):
            found[table.name] = _doubtful(table.name, doubt, "done")
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
    more = [file.path for _, receipt in entries for file in receipt.files]
    # of one lake: the newest receipt knows its catalogs best
    managed = managed_files(quarantine.lake, more, quarantine.keepers(entries[-1][1].lake))
    managed.copied.update(_recorded(quarantine))
    above = owner_above(quarantine.lake.root)
    found = {}
    for _, receipt in entries:
        name = receipt.table.name
        whats = [f"{name}: in {above.folder}, kept by {above.told}"] if above else []
        whats += _owned(name, receipt.table.identity, managed)
        whats += [what for parent in receipt.parents for what in _owned(parent.name, parent, managed)]
        sinks = {managed.sink(file.path) for file in receipt.files} - {None}
        whats += [f"{name}: in {sink}, kept by {NAMES['sink']}" for sink in sinks]
        named = [managed.named[file.path] for file in receipt.files if file.path in managed.named]
        whats += [f"{name}: in {one.folder or '.'}, kept by {one.told}" for one in named[:1]]
        whats += _copied(name, (file.path for file in receipt.files), managed)
        if doubt := _doubt(receipt.table.identity, managed, receipt.lake, is_final=True):
            found[name] = _doubtful(name, doubt, "deleted")
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
        owner = managed.owner(file.path)
        if owner is not None and not (owner.is_read and (owner.folder or ".") == identity.path):
            yield f"{name}: in {owner.folder or '.'}, kept by {owner.told}"
            return
        sink = managed.sink(file.path)
        if sink is not None and (sink or ".") != identity.path:
            yield f"{name}: in {sink or '.'}, kept by {NAMES['sink']}"
            return


def _nested(name: str, identity: TableIdentity, managed: ManagedFolders) -> Iterator[str]:
    """What other system's table lies in a folder that moves whole; at most one."""
    inner = managed.below("" if identity.path == "." else identity.path)
    if inner is not None and (identity.format in ("delta", "iceberg") or identity.path in managed.sinks):
        yield f"{name}: {inner.folder} in its folder is kept by {inner.told}"


def _inside(name: str, identity: TableIdentity, managed: ManagedFolders) -> Iterator[str]:
    """Of what Iceberg table a file lies in a table's folder, with which it would move; at most one."""
    path = next((path for path in managed.named if path.startswith(f"{identity.path}/")), None)
    if path is not None:
        owner = managed.named[path]
        yield f"{name}: {path} in its folder is a file of {owner.folder or '.'}, kept by {owner.told}"


def _recorded(quarantine: Quarantine) -> Iterator[tuple[str, Managed]]:
    """The files that Iceberg tables in quarantine name where they do not lie themselves: these are copies."""
    lake = LakeRoot(quarantine.lake.root)
    for state in quarantine.live():
        receipt = quarantine.receipt(state)
        child = (receipt.table.recipe or {}).get("child", {})
        for file in child.get("files", ()) if receipt.table.identity.format == "iceberg" else ():
            path = lake.spelled_below(plain_path(FileReading.from_text(dict(file["casts"])[READING]).recorded))
            if path and path != file["path"]:
                own = receipt.table.identity.path
                yield path, Managed(own, "iceberg", f"{own}/{METADATA}")


def _copied(name: str, paths: Iterable[str], managed: ManagedFolders) -> Iterator[str]:
    """Of what moved or copied Iceberg table the metadata still names a file; at most one."""
    path = next((path for path in paths if path in managed.copied), None)
    if path is not None:
        owner = managed.copied[path]
        yield f"{name}: {path} is named by {owner.folder or '.'}, a copy that is kept by {owner.told}"


def _doubt(identity: TableIdentity, managed: ManagedFolders, lake: LakeConfig, *, is_final: bool) -> str:
    """Which Iceberg table may have a table's files for all that can be read of its metadata; empty where none may.

    What is set aside comes back: a table that has data in its own folder is taken to keep to it. What is purged does
    not.
    """
    if identity.format in TEXT_FORMATS:
        return ""
    for owner, claims in managed.doubts:
        is_left_out = matches_any(f"{owner.folder}/._".lstrip("/"), lake.exclude)
        if not is_left_out and any(claims.may_have(file.path, is_final=is_final) for file in identity.files):
            return f"{owner.folder or '.'}: {claims.why}"
    return ""


def _doubtful(name: str, doubt: str, verb: str) -> PlanError:
    return PlanError(
        f"a table may be a part of an Iceberg table whose metadata cannot be read; nothing was {verb}",
        value=f"{name}: {doubt}",
        expected="metadata that names all files of the Iceberg table",
        hint="repair that table or its catalog, or leave it out with `exclude` in the config, then lakebed plan",
    )

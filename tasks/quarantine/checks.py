"""What refuses a plan before anything is touched: exit code 4, the reason, the next command."""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.change import file_changes
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS
from lakebed.connectors.lake.hidden import is_visible
from lakebed.connectors.lake.managed import managed_folders
from lakebed.connectors.storage import LocalStorage, StoredFile
from lakebed.tasks.quarantine.kernel import EntryState, Phase
from lakebed.tasks.quarantine.mover import file_sha256
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import Layout, pointer_path, quoted
from lakebed.tasks.retention.identity import LakeState, digested
from lakebed.tasks.retention.plan import MAKE_AGAIN, FileIdentity, Plan, PlannedTable, TableIdentity

# receipts, pointers and the journal of one table, with room to spare
_BYTES_A_TABLE = 64 << 10


@dataclass(frozen=True)
class Moving:
    """The files that move when a table is set aside, digested."""

    layout: Layout
    files: tuple[FileIdentity, ...]


def require_unmoved(plan: Plan, tables: Sequence[PlannedTable], *, with_bytes: bool) -> None:
    """Refuses the plan if one of these tables or one of their parents is not what the plan says.

    Tables are found by their place, not their name: a name loses its ending when the table that it collided with goes.

    Args:
        plan: the plan.
        tables: that are about to be set aside.
        with_bytes: whether bytes are read and digested, or files only listed.

    Raises:
        PlanError: naming at most five things that moved.
    """
    names = {table.name for table in tables}.union(*(table.parents for table in tables))
    wanted = [plan.table(name).identity for name in sorted(names)]
    state = LakeState.of(plan.lake)
    moved = [f"{one.name}: {what}" for one in wanted for what in _moves(one, state)]
    if not moved and with_bytes:
        now = digested(state.root, wanted)
        moved = [f"{was.name}: {what}" for was, new in zip(wanted, now, strict=True) for what in _bytes(was, new)]
    if moved:
        raise PlanError(
            "tables have moved since the plan was made; nothing was done",
            value=moved[0],
            expected="the files that the plan names, unchanged",
            hint=MAKE_AGAIN,
            examples=moved[1:],
        )


def require_possible(quarantine: Quarantine, plan: Plan, tables: Sequence[PlannedTable]) -> None:
    """Refuses what cannot be done here, whatever the state of the tables.

    Raises:
        PlanError: if a table is pinned, set aside already, a link, the lake itself, or on another file system; if its
            pointer's place is taken; if the quarantine is full.
    """
    _require_files(tables)
    _require_free(quarantine.live(), quarantine, plan, tables)
    for table in tables:
        _require_movable(quarantine, table)
    if isinstance(quarantine.lake, LocalStorage):
        _require_one_file_system(quarantine, tables)
    _require_room(quarantine, tables)


def _require_files(tables: Sequence[PlannedTable]) -> None:
    """Refuses tables of databases and catalogs: there are no files to set aside, and lakebed writes to no database."""
    if external := [table.name for table in tables if table.identity.format in EXTERNAL_FORMATS]:
        raise PlanError(
            "a table of the plan is no table of files; nothing was done",
            value=external[0],
            expected="Parquet, Delta, CSV or JSON lines in the lake's folder",
            hint="its owner drops it; the plan says with which statement",
            examples=external[1:],
        )


def moving_files(quarantine: Quarantine, table: PlannedTable) -> Moving:
    """Which files move with a table: all of its folder, unless something in it belongs to others.

    Raises:
        PlanError: if one cannot be read.
    """
    identity = table.identity
    known = {file.path: file for file in (*identity.files, *identity.log_files)}
    if identity.path in known:
        return Moving("whole", tuple(known.values()))
    found = quarantine.lake.list_files(identity.path)
    managed = managed_folders(file.path for file in found)
    is_whole = identity.format == "delta" or identity.path in managed.sinks
    if managed.below(identity.path):
        return Moving("files", tuple(known.values()))
    if not is_whole and any(file.path not in known and is_visible(file.path) for file in found):
        return Moving("files", tuple(known.values()))
    return Moving("whole", tuple(known.get(file.path) or _digested(quarantine, file) for file in found))


def _require_free(
    live: Iterable[EntryState], quarantine: Quarantine, plan: Plan, tables: Sequence[PlannedTable]
) -> None:
    """Refuses tables that the quarantine holds or needs, and work that another plan has left half done."""
    # by place: a name loses its ending when the table that it collided with goes
    planned = {table.identity.path: table.name for table in tables}
    parents = {plan.table(name).identity.path for table in tables for name in table.parents}
    for state in live:
        receipt = quarantine.receipt(state)
        if state.is_interrupted and state.plan_id != plan.plan_id:
            raise PlanError(
                f"an earlier verb was interrupted while {state.phase}; nothing was done",
                value=state.table,
                expected="no table half moved",
                hint=f"lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
            )
        if receipt.table.identity.path in planned.keys() | parents:
            raise PlanError(
                "a table of the plan is in quarantine already; nothing was done",
                value=f"{state.table}, {state.phase} since {state.since}",
                expected="tables at their place",
                hint=f"{MAKE_AGAIN}; or lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
            )
        if pinned := [planned[parent.path] for parent in receipt.parents if parent.path in planned]:
            raise PlanError(
                "a table of the plan is pinned: a table in quarantine is rebuilt from it; nothing was done",
                value=f"{min(pinned)}, which {state.table} needs",
                expected="tables that no table in quarantine needs",
                hint=f"lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
            )


def _require_movable(quarantine: Quarantine, table: PlannedTable) -> None:
    path, lake = table.identity.path, quarantine.lake
    if path in {"", "."}:
        raise _unmovable("the lake's root is itself this table", table, "a table in a folder or file of its own")
    if quarantine.storage.root.startswith(f"{lake.uri(path)}/"):
        raise _unmovable("the quarantine lies in this table's folder", table, "a quarantine elsewhere")
    if isinstance(lake, LocalStorage) and (link := _link_in(lake.root, path)):
        raise _unmovable(f"{link} is a symbolic link; only the link would move", table, "folders and files of the lake")
    if lake.exists(pointer_path(table.name)):
        raise _unmovable(f"a file lies where its pointer goes: {pointer_path(table.name)}", table, "a free name")


def _link_in(root: str, path: str) -> str:
    """The first symbolic link on the way to a table and in its folder; empty if there is none."""
    place = root
    for part in path.split("/"):
        place = os.path.join(place, part)
        if os.path.islink(place):
            return place
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            if os.path.islink(os.path.join(folder, name)):
                return os.path.join(folder, name)
    return ""


def _require_one_file_system(quarantine: Quarantine, tables: Sequence[PlannedTable]) -> None:
    home = _device(quarantine.storage.root)
    for table in tables:
        place = quarantine.lake.uri(table.identity.path)
        if os.path.lexists(place) and os.stat(place).st_dev != home:
            raise PlanError(
                "the quarantine lies on another file system than a table; nothing was done",
                value=f"table {place}, quarantine {quarantine.storage.root}",
                expected="one file system: tables are moved by renaming, never copied over",
                hint="set `folder` in the quarantine section of the config to a folder beside the lake",
            )


def _device(path: str) -> int:
    """The file system of the nearest folder that exists."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev


def _require_room(quarantine: Quarantine, tables: Sequence[PlannedTable]) -> None:
    wanted = sum(table.n_bytes for table in tables)
    held = sum(int(state.facts.get("n_bytes", 0)) for state in quarantine.live() if state.phase is not Phase.PURGED)
    limit = quarantine.config.max_bytes
    if limit and held + wanted > limit:
        raise _full(f"{held:,} bytes lie there, {wanted:,} would come", f"at most {limit:,} (`quarantine.max_bytes`)")
    if isinstance(quarantine.storage, LocalStorage):
        free = shutil.disk_usage(_existing(quarantine.storage.root)).free
        if free < _BYTES_A_TABLE * len(tables):
            raise _full(f"{free:,} bytes are free", f"{_BYTES_A_TABLE * len(tables):,} for receipts and the journal")


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _full(found: str, expected: str) -> PlanError:
    return PlanError(
        "the quarantine is full; nothing was done",
        value=found,
        expected=expected,
        hint="lakebed purge --all, or lakebed restore --all, or a larger limit",
    )


def _unmovable(what: str, table: PlannedTable, expected: str) -> PlanError:
    return PlanError(
        f"a table cannot be set aside: {what}; nothing was done",
        value=table.name,
        expected=expected,
        hint="exclude it by a glob in the retention section of the config, then make the plan again",
    )


def _digested(quarantine: Quarantine, file: StoredFile) -> FileIdentity:
    digest = file_sha256(quarantine.lake, file.path)
    return FileIdentity(path=file.path, size=file.size, mtime_ns=file.mtime_ns, sha256=digest)


def _moves(was: TableIdentity, state: LakeState) -> list[str]:
    """What listing alone tells; new data files of a Delta table count by its log only."""
    places = {(source.format, source.path or "."): name for name, source in state.sources.items()}
    name = places.get((was.format, was.path))
    if name is None:
        return ["it is not there any more, or not in this format"]
    now = state.identity(name)
    # new files of a Delta table are of other versions: its log tells
    ignored = "is new" if was.format == "delta" else ""
    data = {path: what for path, what in file_changes(was.files, now.files).items() if what != ignored}
    return [f"{path} {what}" for path, what in sorted((data | file_changes(was.log_files, now.log_files)).items())]


def _bytes(was: TableIdentity, now: TableIdentity) -> list[str]:
    before = {file.path: file.sha256 for file in (*was.files, *was.log_files)}
    return [f"{file.path} has other bytes" for file in (*now.files, *now.log_files) if before[file.path] != file.sha256]

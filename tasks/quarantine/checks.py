"""What refuses a plan before anything is touched: exit code 4, the reason, the next command."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from lakebed.connectors.errors import PlanError, SourceError
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS
from lakebed.connectors.lake.hidden import is_visible
from lakebed.connectors.lake.managed import managed_folders
from lakebed.connectors.storage import LocalStorage, StoredFile
from lakebed.tasks.quarantine.appeared import beside_command, is_taken
from lakebed.tasks.quarantine.keepers import catalog_entry
from lakebed.tasks.quarantine.kernel import EntryState, Phase
from lakebed.tasks.quarantine.mover import file_sha256
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.probe import WriteProbe, existing
from lakebed.tasks.quarantine.receipt import DATA, Layout, Moving, Receipt, pointer_path, quoted
from lakebed.tasks.retention.identity import LakeState, digested
from lakebed.tasks.retention.parents import parent_change, rows_read
from lakebed.tasks.retention.plan import MAKE_AGAIN, FileIdentity, Plan, PlannedTable, TableIdentity

if TYPE_CHECKING:
    from lakebed.connectors.lake.iceberg.renaming import CatalogEntry

# how a table moves, and the files that lie in its folder
Listed = tuple[Layout, list[StoredFile]]
# receipts, pointers and the journal of one table, with room to spare
_BYTES_A_TABLE = 64 << 10


def changed_tables(plan: Plan, tables: Sequence[PlannedTable], *, with_bytes: bool) -> dict[str, PlanError]:
    """Which of these tables, or their parents, are not what the plan says, or led to by a link, by table.

    Tables are found by their place, not their name: a name loses its ending when the table that it collided with goes.
    New files of a parent harm nothing; of a table that is about to be set aside they do.

    Args:
        plan: the plan.
        tables: that are about to be set aside.
        with_bytes: whether bytes are read and digested, or files only listed.

    Raises:
        PlanError: if the lake cannot be listed.
    """
    state = LakeState.of(plan.lake)
    changes = _parent_changes(plan, tables, state)
    found = {
        table.name: [f"{table.name}: {what}" for what in state.changes(table.identity)]
        + [changes[name] for name in table.parents if changes[name]]
        for table in tables
    }
    if with_bytes:
        sound = [table for table in tables if not found[table.name]]
        names = {table.name for table in sound}
        parents = {name for table in sound for name in table.parents} - names
        wanted = {table.name: table.identity for table in sound}
        wanted |= {name: plan.table(name).identity.model_copy(update={"log_files": ()}) for name in parents}
        other = _other_bytes(state.root, wanted)
        for table in sound:
            found[table.name] = [what for name in (table.name, *table.parents) for what in other[name]]
    linked = {table.name: _linked(table, why) for table in tables if (why := state.link_to(table.identity))}
    return linked | {name: _changed(changes) for name, changes in found.items() if changes}


def require_ready(quarantine: Quarantine, plan: Plan) -> None:
    """Refuses any work while another plan's is half done.

    Raises:
        PlanError: naming the table that is half moved.
    """
    for state in quarantine.live():
        if state.is_interrupted and state.plan_id != plan.plan_id:
            raise PlanError(
                f"an earlier verb was interrupted while {state.phase}; nothing was done",
                value=state.table,
                expected="no table half moved",
                hint=f"lakebed restore {quoted(state.table)} --lake {quoted(quarantine.lake.root)}",
            )


class Movable:
    """Whether a table of a plan can be set aside here, whatever its state; what is in quarantine is read once.

    Args:
        quarantine: of the lake.
        plan: the plan.
    """

    def __init__(self, quarantine: Quarantine, plan: Plan) -> None:
        self.quarantine, self.plan = quarantine, plan
        self._probe = WriteProbe()
        self._listed: dict[str, Listed] = {}
        self._entries: dict[str, CatalogEntry] = {}

    def require(self, table: PlannedTable) -> None:
        """Refuses what cannot be done.

        Raises:
            PlanError: if the table is pinned, set aside already, a link, the lake itself, no table of files, or on
                another file system; if a parent's files are links into it; if its pointer's place is taken; if its
                folder or the quarantine may not be written to.
        """
        _require_files(table)
        self._require_free(table)
        _require_movable(self.quarantine, table)
        if isinstance(self.quarantine.lake, LocalStorage):
            _require_one_file_system(self.quarantine, table)
            _require_own_parents(self.quarantine.lake.root, self.plan, table)
        self._listed[table.name] = layout_of(self.quarantine, table)
        self._require_writable(table)
        keepers = self.quarantine.keepers(self.plan.lake)
        if table.identity.format == "iceberg" and (entry := catalog_entry(self.plan, table, keepers)):
            self._entries[table.name] = entry

    def moving(self, table: PlannedTable) -> Moving:
        """Which files move with a table, by what `require` has listed."""
        moving = moving_files(self.quarantine, table, self._listed.get(table.name))
        entry = self._entries.get(table.name)
        return replace(moving, layout="catalog", catalog=entry) if entry else moving

    @cached_property
    def _live(self) -> list[tuple[EntryState, Receipt]]:
        return [(state, self.quarantine.receipt(state)) for state in self.quarantine.live()]

    def _require_writable(self, table: PlannedTable) -> None:
        """Tries the quarantine, the pointer's folder, and where the table's files go away from."""
        lake, identity = self.quarantine.lake, table.identity
        layout, _ = self._listed[table.name]
        # a folder that moves is written to as well: the folder above it is another one then
        paths = [identity.path, pointer_path(table.name)]
        is_folder = identity.path not in {file.path for file in identity.files}
        paths += [f"{identity.path}/x"] if layout == "whole" and is_folder else []
        paths += [file.path for file in identity.files] if layout == "files" else []
        self._probe.require(self.quarantine.storage, "", table.name)
        for folder in dict.fromkeys(path.rpartition("/")[0] for path in paths):
            self._probe.require(lake, folder, table.name)

    def _require_free(self, table: PlannedTable) -> None:
        """Refuses a table that the quarantine holds or needs; by place, not by name."""
        parents = {self.plan.table(name).identity.path for name in table.parents}
        for state, receipt in self._live:
            path, lake = receipt.table.identity.path, self.quarantine.lake
            restore = f"lakebed restore {quoted(state.table)} --lake {quoted(lake.root)}"
            if path == table.identity.path:
                raise PlanError(
                    "a table of the plan is in quarantine already, an earlier one from its place; nothing was done",
                    value=f"{state.table}, {state.phase} since {state.since}",
                    expected="one table at a time",
                    hint=f"{beside_command(lake.root, receipt)}; or purge it after its time",
                )
            if path in parents and (receipt.catalog or not is_taken(lake, path)):
                raise PlanError(
                    "a parent of the table is in quarantine already; nothing was done",
                    value=f"{state.table}, {state.phase} since {state.since}",
                    expected="tables at their place",
                    hint=f"{MAKE_AGAIN}; or {restore}",
                )
            if any(parent.path == table.identity.path for parent in receipt.parents):
                raise PlanError(
                    "a table of the plan is pinned: a table in quarantine is rebuilt from it; nothing was done",
                    value=f"{table.name}, which {state.table} needs",
                    expected="tables that no table in quarantine needs",
                    hint=restore,
                )


def _require_files(table: PlannedTable) -> None:
    """Refuses tables of databases and catalogs: there are no files to set aside, and lakebed writes to no database."""
    if table.identity.format in EXTERNAL_FORMATS:
        raise PlanError(
            "a table of the plan is no table of files; nothing was done",
            value=table.name,
            expected="Parquet, Delta, CSV or JSON lines in the lake's folder",
            hint="its owner drops it; the plan says with which statement",
        )


def layout_of(quarantine: Quarantine, table: PlannedTable) -> Listed:
    """How a table moves, and the files that lie in its folder: whole, unless something in it belongs to others."""
    identity = table.identity
    known = {file.path for file in (*identity.files, *identity.log_files)}
    if identity.path in known or not quarantine.lake.exists(identity.path):
        return "whole", []
    found = quarantine.lake.list_files(identity.path)
    managed = managed_folders(file.path for file in found)
    is_whole = identity.format in ("delta", "iceberg") or identity.path in managed.sinks
    if managed.below(identity.path):
        return "files", found
    if not is_whole and any(file.path not in known and is_visible(file.path) for file in found):
        return "files", found
    return "whole", found


def moving_files(quarantine: Quarantine, table: PlannedTable, listed: Listed | None = None) -> Moving:
    """Which files move with a table; `listed` is what `layout_of` said of it, where that was asked already.

    Raises:
        PlanError: if one cannot be read.
    """
    known = {file.path: file for file in (*table.identity.files, *table.identity.log_files)}
    layout, found = listed or layout_of(quarantine, table)
    if layout == "files" or not found:
        return Moving(layout, tuple(known.values()))
    return Moving(layout, tuple(known.get(file.path) or _digested(quarantine, file) for file in found))


def require_no_more(quarantine: Quarantine, receipt: Receipt) -> None:
    """Refuses a folder that moved with a file that is in no receipt: somebody wrote it after it was listed.

    Raises:
        PlanError: naming at most five.
    """
    if receipt.layout != "whole" or not quarantine.storage.is_local:
        return
    known = {receipt.kept_at(file.path) for file in receipt.files}
    found = quarantine.storage.list_files(f"{receipt.folder}/{DATA}")
    if more := [file.path for file in found if file.path not in known]:
        raise PlanError(
            "a file was written to a table while it was set aside",
            value=more[0].removeprefix(f"{receipt.folder}/{DATA}/"),
            expected="the files that the plan names, and no others",
            hint=MAKE_AGAIN,
            examples=[path.removeprefix(f"{receipt.folder}/{DATA}/") for path in more[1:5]],
        )


def require_readable(quarantine: Quarantine, receipt: Receipt) -> None:
    """Refuses an Iceberg table that has other rows where it lies now: its metadata names its files by whole paths.

    Raises:
        PlanError: with the reason.
    """
    if receipt.table.identity.format != "iceberg" or receipt.catalog:
        return
    from lakebed.connectors.lake.iceberg.live import live_rows

    child = (receipt.table.recipe or {}).get("child", {})
    wanted = {file["path"]: file["n_rows"] for file in child.get("files", ())}
    try:
        found = live_rows(quarantine.storage.uri(receipt.folder, DATA), receipt.table.identity.path)
    except SourceError as error:
        raise _unreadable(receipt, f"{error.what}: {error.value}") from error
    if wanted and found != wanted:
        raise _unreadable(receipt, f"it has {sum(found.values()):,} rows there, not {sum(wanted.values()):,}")


def _unreadable(receipt: Receipt, why: str) -> PlanError:
    return PlanError(
        "an Iceberg table cannot be read where it was set aside",
        value=f"{receipt.table.name}: {why}",
        expected="the files that its newest snapshot names, in its folder",
        hint=f"leave it out with --exclude {quoted(receipt.table.name)}",
    )


def _require_movable(quarantine: Quarantine, table: PlannedTable) -> None:
    path, lake = table.identity.path, quarantine.lake
    if path in {"", "."}:
        raise _unmovable("the lake's root is itself this table", table, "a table in a folder or file of its own")
    if quarantine.storage.root.startswith(f"{lake.uri(path)}/"):
        raise _unmovable("the quarantine lies in this table's folder", table, "a quarantine elsewhere")
    if isinstance(lake, LocalStorage) and (link := link_in(lake.root, path)):
        raise _unmovable(f"{link} is a symbolic link; only the link would move", table, "folders and files of the lake")
    if lake.exists(pointer_path(table.name)):
        raise _unmovable(f"a file lies where its pointer goes: {pointer_path(table.name)}", table, "a free name")


def link_in(root: str, path: str) -> str:
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


def _require_own_parents(root: str, plan: Plan, table: PlannedTable) -> None:
    """Refuses a table in which files of a parent lie, reached by links: they would go with it."""
    own = os.path.realpath(os.path.join(root, table.identity.path))
    for parent in map(plan.table, table.parents):
        for file in parent.identity.files:
            place = os.path.realpath(os.path.join(root, file.path))
            if place == own or place.startswith(f"{own}/"):
                why = f"{file.path}, a file of {parent.name} from which it would be rebuilt, is a symbolic link into it"
                raise _unmovable(why, table, "parents with files of their own")


def _require_one_file_system(quarantine: Quarantine, table: PlannedTable) -> None:
    place = quarantine.lake.uri(table.identity.path)
    if os.path.lexists(place) and os.stat(place).st_dev != device_of(quarantine.storage.root):
        raise PlanError(
            "the quarantine lies on another file system than a table; nothing was done",
            value=f"table {place}, quarantine {quarantine.storage.root}",
            expected="one file system: tables are moved by renaming, never copied over",
            hint="set `folder` in the quarantine section of the config to a folder beside the lake",
        )


def device_of(path: str) -> int:
    """The file system of the nearest folder that exists."""
    return os.stat(existing(path)).st_dev


def require_room(quarantine: Quarantine, tables: Sequence[PlannedTable]) -> None:
    """Refuses more than the quarantine may hold, or its disk.

    Raises:
        PlanError: with both figures.
    """
    wanted = sum(table.n_bytes for table in tables)
    held = sum(int(state.facts.get("n_bytes", 0)) for state in quarantine.live() if state.phase is not Phase.PURGED)
    limit = quarantine.config.max_bytes
    if limit and held + wanted > limit:
        raise _full(f"{held:,} bytes lie there, {wanted:,} would come", f"at most {limit:,} (`quarantine.max_bytes`)")
    if isinstance(quarantine.storage, LocalStorage):
        free = shutil.disk_usage(existing(quarantine.storage.root)).free
        if free < _BYTES_A_TABLE * len(tables):
            raise _full(f"{free:,} bytes are free", f"{_BYTES_A_TABLE * len(tables):,} for receipts and the journal")


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


def _parent_changes(plan: Plan, tables: Sequence[PlannedTable], state: LakeState) -> dict[str, str]:
    """What listing and logs alone tell of each parent, by its name; empty where it is unchanged."""
    rows = rows_read(table.recipe for table in tables)
    found = {
        name: parent_change(state.root, plan.table(name).identity, rows, state.files.get)
        for name in sorted({name for table in tables for name in table.parents})
    }
    return {name: f"{name}: {change.told}" if change else "" for name, change in found.items()}


def _other_bytes(root: str, wanted: Mapping[str, TableIdentity]) -> dict[str, list[str]]:
    """What differs in the bytes of each table, by its name; one that cannot be read differs."""
    try:
        now = digested(root, list(wanted.values()))
    except PlanError as error:
        if len(wanted) == 1:
            return {name: [f"{name}: {error.what}: {error.value}"] for name in wanted}
        each = [_other_bytes(root, {name: identity}) for name, identity in wanted.items()]
        return {name: what for one in each for name, what in one.items()}
    pairs = zip(wanted.items(), now, strict=True)
    return {name: [f"{name}: {what}" for what in _bytes(was, new)] for (name, was), new in pairs}


def _bytes(was: TableIdentity, now: TableIdentity) -> list[str]:
    before = {file.path: file.sha256 for file in (*was.files, *was.log_files)}
    return [f"{file.path} has other bytes" for file in (*now.files, *now.log_files) if before[file.path] != file.sha256]


def _linked(table: PlannedTable, why: str) -> PlanError:
    return PlanError(
        "a symbolic link of the lake leads to a table of the plan; nothing was done",
        value=f"{table.name}: {why}",
        expected="tables that no link of the lake leads to",
        hint="remove the link, or let it lead to a table that stays, then lakebed plan",
    )


def _changed(changes: Sequence[str]) -> PlanError:
    return PlanError(
        "a table, or a parent of it, has changed since the plan was made; nothing was done",
        value=changes[0],
        expected="the files that the plan names, unchanged",
        hint=MAKE_AGAIN,
        examples=changes[1:],
    )

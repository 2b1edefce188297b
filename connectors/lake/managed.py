"""Which folders belong to a table format or an engine that keeps their files itself.

Such a folder is one table or nothing: no file below it is a table, and none is ever moved by itself. A folder is told
by what lies in it, never by its name alone:

| format | sign |
|---|---|
| Iceberg | `metadata/*.metadata.json` (also gz), `metadata/version-hint.text` |
| Hudi | `.hoodie/`; `.hoodie_partition_metadata` in partitions that were copied without it |
| Hive ACID | files in `base_N`, `delta_N_N` or `delete_delta_N_N` below the table or its partitions |
| Lance | `_versions/` in a folder `*.lance`, or beside `_transactions/` |
| DuckLake | files `ducklake-UUID.parquet`, a folder that has them beside `*.ducklake`, a folder `*.ducklake.files` |
| Paimon | `schema/schema-N` and `snapshot/` |
| Kudu | `tablet-meta/` and `consensus-meta/` |
| ClickHouse | folders of parts: `checksums.txt`, `columns.txt` and `count.txt` in one |
| unknown | `__XLOG/` |

The outermost folder counts. A Delta table with Iceberg's metadata beside its log (UniForm) is a Delta table.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakebed.connectors.errors import ConfigError, LakeError, SourceError
from lakebed.connectors.lake.hidden import DELTA_LOG, is_visible
from lakebed.connectors.lake.model import Unreadable
from lakebed.connectors.paths import folders_above
from lakebed.connectors.storage import Storage, is_object_store

if TYPE_CHECKING:
    from lakebed.connectors.lake.iceberg.catalogs import Keepers
    from lakebed.connectors.lake.iceberg.claims import Claims

SINK_LOG = "_spark_metadata"
SIGN_FOLDERS = frozenset(
    {".hoodie", SINK_LOG, DELTA_LOG, "_versions", "_transactions", "__XLOG", "tablet-meta", "consensus-meta"}
)
HUDI_PARTITION = ".hoodie_partition_metadata"
NAMES = {
    "iceberg": "Iceberg", "hudi": "Hudi", "hive": "Hive ACID", "lance": "Lance", "ducklake": "DuckLake",
    "paimon": "Paimon", "kudu": "Kudu", "clickhouse": "ClickHouse", "unknown": "an engine that lakebed does not know",
    "delta": "Delta", "sink": "Spark's streaming sink",
}  # fmt: skip
_PART_FILES = frozenset({"checksums.txt", "columns.txt", "count.txt"})
_ICEBERG = re.compile(r"version-hint\.text|.+\.metadata\.json(?:\.gz)?")
_SCHEMA, _SNAPSHOT = re.compile(r"schema-\d+"), re.compile(r"(?:snapshot-\d+|EARLIEST|LATEST)?")
_LAKE_FILE = re.compile(r"ducklake-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}.*")
# a write's folder, with or without the statement and the compaction that made it; Impala fills the numbers up with no
# zeros; a union's branches have folders of their own
_ACID = re.compile(
    r"(?:(?P<table>.+)/)?(?P<kind>base|delta|delete_delta)_(?P<low>-?\d+)(?:_(?P<high>\d+)(?:_\d+)?)?(?:_v\d+)?"
    r"(?:/HIVE_UNION_SUBDIR_\d+)?/(?P<file>[^/]+)",
    re.DOTALL,
)
_ACID_SIGNS = ("_orc_acid_version", "_metadata_acid")
# as Hive and Impala call what they write there
_ACID_FILE = re.compile(
    rf"{'|'.join(_ACID_SIGNS)}|bucket_\d{{5}}.*|0\d{{5}}_\d+.*|[0-9a-f]{{16}}-[0-9a-f]{{8,16}}_\d+_data\.\d+\..+"
)
_PROBES = (
    *sorted(SIGN_FOLDERS), *sorted(_PART_FILES), HUDI_PARTITION,
    "metadata/version-hint.text", "schema/schema-0", "snapshot",
)  # fmt: skip
# each is a request: of the formats that keep their files on object stores one sign that always lies there
_REMOTE_PROBES = (".hoodie", DELTA_LOG, SINK_LOG, "_versions", "schema/schema-0", "snapshot")


@dataclass(frozen=True, slots=True)
class Managed:
    """A table that another system keeps: its folder ("" is the root), its format, and the path that told."""

    folder: str
    format: str
    sign: str

    @property
    def is_read(self) -> bool:
        """Whether its rows can be read; as a whole it is a table of the lake then."""
        return self.format == "iceberg"

    @property
    def is_torn(self) -> bool:
        """Whether only partitions of a table of Hudi are there, without the timeline that says which files count."""
        return self.format == "hudi" and self.sign.rpartition("/")[2].startswith(HUDI_PARTITION)

    @property
    def told(self) -> str:
        """For messages: `Iceberg (metadata/v1.metadata.json)`."""
        return f"{NAMES[self.format]} ({self.sign.removeprefix(self.folder).strip('/')})"

    def as_unreadable(self) -> Unreadable:
        """How it is listed."""
        how = "whose tables are read by its catalog alone" if self.format == "ducklake" else "which is not read"
        how = "whose timeline `.hoodie` is missing: which versions of a row count is not known" if self.is_torn else how
        reason = f"its files are kept by {self.told}, {how}; nothing in this folder is a table of its own"
        hint = "no part of it is read, planned or moved; `exclude` leaves it out of this list"
        if self.is_torn:
            hint = "copy the table with its folder `.hoodie`, then lakebed run; `exclude` leaves it out of this list"
        return Unreadable(self.folder or ".", self.format, reason, hint)

    def as_link(self, path: str) -> Unreadable:
        """How a symbolic link into it is listed; `path` is the link's."""
        reason = f"it is a symbolic link into a table of {self.told}; no table is read over a link"
        hint = "put the table itself into the lake's folder; `exclude` leaves the link out of this list"
        return Unreadable(path, self.format, reason, hint)


@dataclass(frozen=True)
class ManagedFolders:
    """What a lake's paths tell: folders of other systems, of Delta tables, and of Spark's streaming sinks.

    `named` are files that Iceberg tables have elsewhere than in their folders, `copied` those that the metadata of a
    moved or copied table names though it has its own, `doubts` what their metadata leaves open of that, where these
    were asked for.
    """

    folders: dict[str, Managed] = field(default_factory=dict)
    deltas: dict[str, str] = field(default_factory=dict)
    sinks: dict[str, str] = field(default_factory=dict)
    named: dict[str, Managed] = field(default_factory=dict)
    copied: dict[str, Managed] = field(default_factory=dict)
    doubts: list[tuple[Managed, "Claims"]] = field(default_factory=list)

    def owner(self, path: str) -> Managed | None:
        """The managed table that a file belongs to. O(depth)."""
        if path in self.named:
            return self.named[path]
        for above in folders_above(path) if self.folders else ():
            if above in self.folders:
                return self.folders[above]
        if "ducklake-" in path and _LAKE_FILE.fullmatch(path.rpartition("/")[2]) and is_visible(path):
            return Managed(_without_partitions(path.rpartition("/")[0]), "ducklake", path)
        return None

    def sink(self, path: str) -> str | None:
        """The folder of the streaming sink that a file lies in."""
        return next((above for above in folders_above(path) if above in self.sinks), None) if self.sinks else None

    def below(self, folder: str) -> Managed | None:
        """A managed table that lies in a folder."""
        prefix = f"{folder}/" if folder else ""
        return next((one for name, one in self.folders.items() if name.startswith(prefix) and name != folder), None)


def managed_folders(paths: Iterable[str]) -> ManagedFolders:
    """The managed tables among paths; a folder that is not looked into ends with a slash. O(paths · depth).

    Args:
        paths: of all files, hidden ones too, below the lake's root.
    """
    marks: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        for folder, mark in _marks(path):
            marks[folder].setdefault(mark, path)
    visible = {folder: own for folder, own in marks.items() if is_visible(f"{folder}/x" if folder else "x")}
    found = {one.folder: one for folder, own in visible.items() for one in _recognised(folder, own, marks)}
    outer = {name: one for name, one in found.items() if not any(above in found for above in _strictly_above(name))}
    deltas = {folder: own[DELTA_LOG] for folder, own in visible.items() if DELTA_LOG in own}
    sinks = {folder: own[SINK_LOG] for folder, own in visible.items() if SINK_LOG in own}
    kept = {one: sign for one, sign in sinks.items() if not any(up in deltas for up in folders_above(f"{one}/"))}
    return ManagedFolders(outer, deltas, kept)


def managed_files(storage: Storage, more: Iterable[str] = (), keepers: "Keepers | None" = None) -> ManagedFolders:
    """The same of all that lies below a storage's root now, and of further paths as if they lay there.

    Iceberg's metadata is read for the files that it names outside of its table's folder, in whatever snapshot, that of
    tables elsewhere among it, which `keepers` know.
    """
    files = storage.list_files(on_error=lambda folder, reason: None)
    here = {file.path for file in files}
    paths = [*here, *more]
    found = managed_folders(paths)
    # the metadata of a table that is set aside lies elsewhere
    icebergs = [one for one in found.folders.values() if one.is_read and one.sign in here]
    known = keepers.elsewhere.values() if keepers else ()
    outer = [Managed(path.rpartition("/metadata/")[0], "iceberg", path) for path in known]
    why = keepers.silent if keepers else ""
    if not (icebergs or outer or why):
        return found
    from lakebed.connectors.lake.iceberg.claims import Claims, claims_from_elsewhere, claims_of

    if why:
        # a catalog that gave no answer may keep a table elsewhere that has files here
        found.doubts.append((Managed(why.partition(":")[0], "iceberg", ""), Claims(is_blind=True, why=why)))
    claims = claims_of(storage.root, [one.folder for one in icebergs], set(paths), is_mutual=True)
    claims |= claims_from_elsewhere(storage.root, [one.folder for one in outer], set(paths))
    icebergs += outer
    for one in icebergs:
        found.named.update(dict.fromkeys(claims[one.folder].files, one))
        found.copied.update(dict.fromkeys(claims[one.folder].copied, one))
    found.doubts.extend((one, claims[one.folder]) for one in icebergs if claims[one.folder].why)
    return found


def owner_above(uri: str) -> Managed | None:
    """The managed table, Delta and streaming sinks among them, in whose folder a path lies; the innermost one.

    A folder that may not be looked at tells nothing. A write of Hive's is told by its name alone.
    """
    base, path = _split(uri)
    with suppress(LakeError):
        storage = Storage.at(base, SourceError)
        for inside in (path, f"{path}/x"):
            for folder, mark in _acid_marks(inside):
                if mark == "acid":
                    return Managed(storage.uri(_without_partitions(folder)), "hive", storage.uri(path))
        for above in reversed(list(_strictly_above(path))):
            if (owner := _owner_at(storage, above)) is not None:
                return owner
    return None


def _owner_at(storage: Storage, folder: str) -> Managed | None:
    found = managed_folders(_probed(storage, folder))
    for own in found.folders.values():
        return Managed(storage.uri(folder), own.format, own.sign)
    for format_, signs in (("delta", found.deltas), ("sink", found.sinks)):
        for sign in signs.values():
            return Managed(storage.uri(folder), format_, sign)
    return None


def require_no_owner(root: str) -> None:
    """Refuses a lake's root that lies in a managed table.

    Raises:
        ConfigError: naming the table.
    """
    places = [root] if is_object_store(root) else dict.fromkeys([root, os.path.realpath(root)])
    if owner := next(filter(None, map(owner_above, places)), None):
        above = owner.folder.rpartition("/")[0] or "/"
        raise ConfigError(
            f"the lake lies inside a table of {NAMES[owner.format]}",
            value=root,
            expected=f"a folder that is no part of a table; {owner.folder} is one as a whole",
            hint="choose another folder" if above.endswith(":/") else f"lakebed run --lake {above}",
        )


def _strictly_above(folder: str) -> Iterator[str]:
    return folders_above(folder) if folder else iter(())


def _marks(path: str) -> Iterator[tuple[str, str]]:
    """The folders of which a path tells something, with what."""
    parts = path.split("/")
    if not SIGN_FOLDERS.isdisjoint(parts) or ".ducklake.files/" in path:
        for index, part in enumerate(parts[:-1]):
            if part in SIGN_FOLDERS:
                yield "/".join(parts[:index]), part
            elif part.endswith(".ducklake.files"):
                yield "/".join(parts[: index + 1]), "ducklake"
    name, folder = parts[-1], "/".join(parts[:-1])
    holder = parts[-2] if len(parts) > 1 else ""
    if holder.startswith(("base_", "delta_", "delete_delta_", "HIVE_UNION_SUBDIR_")):
        yield from _acid_marks(path)
    if (
        (holder == "metadata" and _ICEBERG.fullmatch(name))
        or (holder == "schema" and _SCHEMA.fullmatch(name))
        or (holder == "snapshot" and _SNAPSHOT.fullmatch(name))
    ):
        yield "/".join(parts[:-2]), holder
    elif name.startswith(HUDI_PARTITION):
        yield folder, HUDI_PARTITION
    elif name in _PART_FILES or name == "_latest.manifest":
        yield folder, name
    elif name.endswith(".ducklake"):
        yield folder, name
    elif _LAKE_FILE.fullmatch(name):
        yield folder, "data"


def is_sign_file(name: str) -> bool:
    """Whether a hidden file tells a managed table."""
    return name.startswith(HUDI_PARTITION) or name in _ACID_SIGNS


def _acid_marks(path: str) -> Iterator[tuple[str, str]]:
    """The folder in which a transaction of Hive's has written a file: "acid", or a name that tells it with others.

    Folders that people call `base_2024` or `delta_2023_2024` are none by themselves.
    """
    found = _ACID.fullmatch(path)
    if found is None:
        return
    kind, low, high = found["kind"], found["low"], found["high"]
    if (kind == "base") != (high is None) or (high is not None and int(low) > int(high)):
        return
    is_padded = re.fullmatch(r"0\d{6}" if kind == "base" else r"0\d{2,}", low) is not None
    is_one_write = low == high and not low.startswith("0")
    is_sure = kind == "delete_delta" or is_padded or is_one_write or _ACID_FILE.fullmatch(found["file"])
    yield found["table"] or "", "acid" if is_sure else f"acid {kind}"


def _recognised(folder: str, own: dict[str, str], marks: dict[str, dict[str, str]]) -> Iterator[Managed]:
    """The managed table that a folder's marks make, which may lie above it."""
    is_lance = folder.endswith(".lance") and own.keys() & {"_versions", "_latest.manifest"}
    if "metadata" in own and DELTA_LOG not in own:
        yield Managed(folder, "iceberg", own["metadata"])
    elif is_lance or own.keys() >= {"_versions", "_transactions"}:
        yield Managed(folder, "lance", own.get("_versions") or own["_latest.manifest"])
    elif own.keys() >= {"schema", "snapshot"}:
        yield Managed(folder, "paimon", own["schema"])
    elif own.keys() >= {"tablet-meta", "consensus-meta"}:
        yield Managed(folder, "kudu", own["tablet-meta"])
    elif own.keys() >= _PART_FILES:
        yield Managed(folder.rpartition("/")[0], "clickhouse", own["checksums.txt"])
    elif "ducklake" in own:
        yield Managed(folder, "ducklake", own["ducklake"])
    if HUDI_PARTITION in own:
        yield Managed(_without_partitions(folder), "hudi", own[HUDI_PARTITION])
    if "acid" in own or own.keys() >= {"acid base", "acid delta"}:
        yield Managed(_without_partitions(folder), "hive", own.get("acid") or own["acid base"])
    for mark, format_ in ((".hoodie", "hudi"), ("__XLOG", "unknown")):
        if mark in own:
            yield Managed(folder, format_, own[mark].rstrip("/"))
    if "data" in own and (catalog := _catalog_beside(folder, marks)) is not None:
        beside = catalog.rpartition("/")[0]
        below = folder[len(beside) :].strip("/").partition("/")[0]
        yield Managed(f"{beside}/{below}".strip("/"), "ducklake", catalog)


def _catalog_beside(folder: str, marks: dict[str, dict[str, str]]) -> str | None:
    """DuckLake's metadata beside a folder or one above it; metadata with its own folder of files has no other."""
    for above in reversed(list(_strictly_above(folder))):
        for mark, path in marks.get(above, {}).items():
            if mark.endswith(".ducklake") and f"{path}.files" not in marks:
                return path
    return None


def _without_partitions(folder: str) -> str:
    parts = folder.split("/")
    while "=" in parts[-1]:
        parts.pop()
        if not parts:
            return ""
    return "/".join(parts)


def _split(uri: str) -> tuple[str, str]:
    """A store's bucket, or the machine's root, and the path below it."""
    if not is_object_store(uri):
        return "/", os.path.abspath(uri).strip("/")
    scheme, _, rest = uri.partition("://")
    bucket, _, path = rest.partition("/")
    return f"{scheme}://{bucket}", path.strip("/")


def _probed(storage: Storage, folder: str) -> list[str]:
    """What lies in a folder of the paths that would tell a managed table; a few requests on an object store.

    The folder goes by its last name, open to see whatever lies above it.
    """
    from pyarrow import fs

    system, root = storage.arrow()
    base, name = f"{root.rstrip('/')}/{folder}".rstrip("/"), folder.rpartition("/")[2].lstrip("._") or "t"
    selector = fs.FileSelector(f"{base}/metadata", recursive=False, allow_not_found=True)
    probes, found = _PROBES if storage.is_local else _REMOTE_PROBES, [f"{name}/"]
    for wanted in ([f"{base}/{probe}" for probe in probes], selector):
        with suppress(OSError):
            infos = system.get_file_info(wanted)
            kinds = {fs.FileType.File: "", fs.FileType.Directory: "/"}
            found += [name + info.path[len(base) :] + kinds[info.type] for info in infos if info.type in kinds]
    return found

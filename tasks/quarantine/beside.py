"""Another place for a table that comes back while something new lies in its own."""

import os
import posixpath
from dataclasses import replace

from lakebed.connectors.errors import ConfigError, LakeError, PlanError
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.hidden import is_log, is_visible
from lakebed.connectors.lake.listing import list_lake
from lakebed.connectors.lake.managed import SINK_LOG, managed_files
from lakebed.connectors.lake.model import FileEntry
from lakebed.connectors.storage import LocalStorage
from lakebed.tasks.quarantine.appeared import is_taken
from lakebed.tasks.quarantine.checks import device_of, link_in
from lakebed.tasks.quarantine.kernel import EntryState, Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.probe import WriteProbe, existing
from lakebed.tasks.quarantine.receipt import Receipt

# of a name and of a whole key, on S3, Google's and Azure's stores
_KEY_BYTES = 1024, 1024


def place_beside(receipt: Receipt, beside: str) -> str:
    """The place as it is meant: of a single file it gets the file's ending, where it lacks it.

    Raises:
        ConfigError: if it is no path below the lake's root.
    """
    path, place = receipt.table.identity.path, posixpath.normpath(beside)
    if place.startswith(("/", "../")) or place in {".", ".."} or "\0" in place:
        raise ConfigError(
            "the place beside which a table is to come back is no path in the lake",
            value=beside,
            expected="a path below the lake's root, as `sales/orders_before`",
        )
    ending = path[len(receipt.table.name) :] if path.startswith(f"{receipt.table.name}.") else ""
    return place if place.endswith(ending) else f"{place}{ending}"


def require_free_beside(quarantine: Quarantine, state: EntryState, receipt: Receipt, beside: str) -> None:
    """Refuses a place where the table would not be one by itself: one that is taken, hidden, or part of another.

    Raises:
        PlanError: naming the place.
    """
    if state.phase in {Phase.RESTORING, Phase.REBUILDING}:
        return
    lake = quarantine.lake
    if is_taken(lake, beside):
        raise _refused(quarantine, beside, "something lies there", "an empty place")
    if isinstance(lake, LocalStorage):
        _require_way(quarantine, lake, beside)
    _require_short(quarantine, receipt, beside)
    if receipt.table.identity.format == "iceberg":
        raise _refused(
            quarantine, beside, "an Iceberg table's metadata names its files by their whole paths", "its own place"
        )
    if any(f"/{SINK_LOG}/" in file.path for file in receipt.files):
        raise _refused(quarantine, beside, "a streaming sink names its files by their whole paths", "its own place")
    if not _is_alone(quarantine, receipt, beside):
        raise _refused(quarantine, beside, "it would be hidden, or a part of another table there", "a free folder")
    WriteProbe().require(lake, beside.rpartition("/")[0], receipt.table.name)


def _require_way(quarantine: Quarantine, lake: LocalStorage, beside: str) -> None:
    """Refuses a place to which no rename leads: through a file or a link, or on another file system."""
    if link := link_in(lake.root, beside):
        raise _refused(quarantine, beside, f"{link} is a symbolic link", "a path through folders of the lake")
    last = existing(lake.uri(beside))
    if not os.path.isdir(last):
        raise _refused(quarantine, beside, f"{last} is a file", "a path through folders")
    if device_of(last) != device_of(quarantine.storage.root):
        expected = f"a place on the file system of {quarantine.storage.root}: tables are never copied over"
        raise _refused(quarantine, beside, f"{last} lies on another file system", expected)


def _require_short(quarantine: Quarantine, receipt: Receipt, beside: str) -> None:
    """Refuses a name or a path of more bytes than the file system or an object store takes."""
    lake, name = quarantine.lake, max(beside.split("/"), key=_n_bytes)
    path = lake.uri(max((receipt.moved_to(file.path, beside) for file in receipt.files), key=_n_bytes))
    if isinstance(lake, LocalStorage):
        last = existing(lake.uri(beside))
        limits = os.pathconf(last, "PC_NAME_MAX"), os.pathconf(last, "PC_PATH_MAX") - 1
    else:
        # a key begins behind the bucket, with the prefix of the lake's root
        path, limits = path.partition("://")[2].partition("/")[2], _KEY_BYTES
    for text, limit in zip((name, path), limits, strict=True):
        if 0 < limit < _n_bytes(text):
            raise _refused(quarantine, beside, f"{_n_bytes(text):,} bytes are too long a name", f"at most {limit:,}")


def _n_bytes(text: str) -> int:
    return len(os.fsencode(text))


def _is_alone(quarantine: Quarantine, receipt: Receipt, beside: str) -> bool:
    """Whether a run would find the table there, with all its files and no others."""
    lake = receipt.lake.model_copy(update={"root": quarantine.lake.root, "paranoid": False})
    identity = receipt.table.identity
    moved = {receipt.moved_to(file.path, beside): file for file in receipt.files if is_visible(file.path)}
    managed = managed_files(quarantine.lake, moved)
    if not all(is_visible(path) and managed.owner(path) is None for path in moved):
        return False
    entries = [FileEntry(path, file.size, file.mtime_ns) for path, file in moved.items()]
    try:
        listing = list_lake(lake)
    except LakeError as error:
        raise PlanError(f"the lake cannot be listed: {error.what}", value=error.value, hint=error.hint) from error
    data = [entry for entry in entries if not is_log(entry.path)]
    logs = [entry for entry in entries if is_log(entry.path)]
    found = discover(replace(listing, files=(*listing.files, *data), logs=(*listing.logs, *logs)), lake)
    wanted = {entry.path for entry in data}
    return any(
        (table.path, table.format) == (beside, identity.format) and {file.path for file in table.files} == wanted
        for table in found.tables
    )


def _refused(quarantine: Quarantine, beside: str, why: str, expected: str) -> PlanError:
    return PlanError(
        f"a table cannot come back to that place: {why}; nothing was done",
        value=quarantine.lake.uri(beside),
        expected=expected,
        hint="choose another path for --beside",
    )

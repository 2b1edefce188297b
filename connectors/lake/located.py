"""Tables of catalogs by where their files lie: those of known formats on this machine are read as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.hidden import DELTA_LOG, is_visible
from lakebed.connectors.lake.lake_root import LakeRoot, plain_path
from lakebed.connectors.lake.managed import NAMES, managed_folders, owner_above
from lakebed.connectors.lake.model import FileEntry, TableSource
from lakebed.connectors.storage import Storage, is_object_store


@dataclass(frozen=True)
class Located:
    """A table that is read as files, and the files of its Delta log."""

    source: TableSource
    logs: tuple[FileEntry, ...]


def as_files(
    name: str, format_: str, location: str, files: Sequence[FileEntry], *, is_partitioned: bool = False
) -> Located | None:
    """A table of Delta, or of Parquet without partitions, on this machine; None where it is none such.

    Args:
        name: of the table in the lake.
        format_: as its catalog calls it.
        location: as its catalog writes it.
        files: that lie there, see `files_at`.
        is_partitioned: whether it has columns that stand in the names of folders.

    Raises:
        SourceError: if its files are kept by another system than its catalog says: some of them may not count.
    """
    if format_ in ("delta", "parquet") and files:
        _require_plain(format_, path_of(location) or location.rstrip("/"), files)
    place = path_of(location)
    logs = tuple(one for one in files if one.path.startswith(f"{place}/{DELTA_LOG}/"))
    data = tuple(one for one in files if is_visible(one.path[len(place) + 1 :]) and one not in logs)
    if place and format_ == "delta":
        return Located(TableSource(name, "delta", data, place), logs)
    if place and format_ == "parquet" and data and not is_partitioned:
        return Located(TableSource(name, "parquet", data, place), ())
    return None


def _require_plain(format_: str, base: str, files: Sequence[FileEntry]) -> None:
    found = managed_folders(file.path[len(base) + 1 :] for file in files)
    kept = next(((own.format, own.sign) for own in found.folders.values()), None)
    if format_ == "parquet" and kept is None:
        signs = (("delta", found.deltas), ("sink", found.sinks))
        kept = next(((kind, sign) for kind, own in signs for sign in own.values()), None)
        above = owner_above(f"{base}/x") if kept is None else None
        kept = (above.format, above.sign) if above else kept
    if kept:
        raise SourceError(
            f"its catalog calls it {format_}, but its files are kept by {NAMES[kept[0]]} ({kept[1]})",
            value=base,
            expected=f"files of {format_} that all count",
            hint="register it in its catalog as what it is",
        )


def files_at(location: str) -> list[FileEntry]:
    """Every file below a location, under its absolute path."""
    base = path_of(location) or location
    if not (is_object_store(base) or base.startswith("/")):
        return []
    found = Storage.at(base, SourceError).list_files()
    return [FileEntry(f"{base.rstrip('/')}/{file.path}", file.size, file.mtime_ns) for file in found]


def path_of(location: str) -> str:
    """The path of a location on this machine; empty where it is none.

    A path is taken as it is; of `file:` all that stands behind it is one, with `%20` and its likes decoded.
    """
    path = unquote(plain_path(location)) if location.startswith("file:") else location
    return path.rstrip("/") if path.startswith("/") else ""


def is_below(location: str, root: str) -> bool:
    """Whether a location lies in a lake's folder, which has its files then."""
    return LakeRoot(root).below(path_of(location) or location) is not None

"""Which metadata file of an Iceberg table counts, and what it says."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.iceberg.model import HINT, METADATA

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

VERSION_HINT = "version-hint.text"
NEWEST_FORMAT = 3
# version 3 numbers its rows, which rows that are written again would have to keep
NEWEST_REBUILT = 2
_FILE = re.compile(r"(?P<stem>.+?)(?:\.gz)?\.metadata\.json(?:\.gz)?")
_HADOOP, _CATALOG = re.compile(r"v(\d+)"), re.compile(r"(\d+)-.+")
_MAX_BYTES = 1 << 30
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Metadata:
    """What a metadata file says.

    Attributes:
        path: of the file, below the lake's root.
        location: of the table when it was written.
        schema: the current one, as JSON.
        schemas: all that the table had.
        specs: partition specs by id: their fields as JSON.
        snapshot: the current one as JSON; None where nothing was ever written.
        name_mapping: names of columns in files without field ids; None where there is none.
    """

    path: str
    location: str
    schema: Mapping[str, Any]
    schemas: tuple[Mapping[str, Any], ...]
    specs: Mapping[int, Sequence[Mapping[str, Any]]]
    snapshot: Mapping[str, Any] | None
    name_mapping: Sequence[Mapping[str, Any]] | None

    @cached_property
    def schema_digest(self) -> str:
        """Of all that decides which column of a file is which of the table: with the same, a file reads the same."""
        text = json.dumps([self.schema.get("fields"), self.name_mapping], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def newest_metadata(root: str, folder: str, listed: Collection[str]) -> str:
    """The path of the metadata file that counts: what the hint names, else the greatest version.

    A hint may be older than the newest version, as its writer may have died in between: then the next versions count.
    Where a catalog took over a folder that had counted its versions itself, the hint stays as it was then: with names
    of both kinds nothing in the folder tells which counts.

    Args:
        root: of the lake.
        folder: of the table, below it.
        listed: the files in the folder.

    Raises:
        SourceError: if there is none, two of the same version, or names of both kinds.
    """
    base = f"{folder}/{METADATA}/".lstrip("/")
    names = [path.removeprefix(base) for path in listed if path.startswith(base)]
    stems = {name: match["stem"] for name in names if "/" not in name and (match := _FILE.fullmatch(name))}
    if not stems:
        raise SourceError("it has no metadata file", value=base, expected="*.metadata.json", hint=HINT)
    _require_one_keeper(stems)
    hint = _hint(root, f"{base}{VERSION_HINT}") if VERSION_HINT in names else ""
    by_stem = {stem: name for name, stem in stems.items()}
    if hint.isdigit() and f"v{hint}" in by_stem:
        version = int(hint)
        while f"v{version + 1}" in by_stem:
            version += 1
        return base + by_stem[f"v{version}"]
    if hint in stems or hint in by_stem:
        return base + by_stem.get(hint, hint)
    versions = {name: _version(stem) for name, stem in stems.items()}
    newest = max(versions.values())
    found = sorted(name for name, version in versions.items() if version == newest)
    if len(found) > 1:
        raise SourceError(
            "two metadata files are of the same version, and only the table's catalog knows which counts",
            value=", ".join(found[:3]),
            expected=f"one, or a {VERSION_HINT}",
            hint="leave the table out with `exclude`",
        )
    return base + found[0]


def is_metadata(path: str) -> bool:
    """Whether a file is called as a metadata file."""
    return _FILE.fullmatch(path.rpartition("/")[2]) is not None


def is_catalogs(path: str) -> bool:
    """Whether a file is metadata called as a catalog calls it, `NNNNN-uuid.metadata.json`, or in some unknown way."""
    match = _FILE.fullmatch(path.rpartition("/")[2])
    return match is not None and _HADOOP.fullmatch(match["stem"]) is None


def _require_one_keeper(stems: Mapping[str, str]) -> None:
    """Refuses a folder whose versions were kept both by its own count and by a catalog; `stems` by name."""
    own = sorted(name for name, stem in stems.items() if _HADOOP.fullmatch(stem))
    catalogs = sorted(name for name, stem in stems.items() if _CATALOG.fullmatch(stem))
    if own and catalogs:
        raise SourceError(
            "a catalog keeps its metadata beside older versions, and only the catalog knows which counts",
            value=f"{catalogs[-1]} beside {own[-1]}",
            expected="metadata files of one kind, or the table's catalog",
            hint="name its catalog with `[lake.iceberg.NAME]` in the config",
        )


def read_metadata_file(root: str, path: str) -> Metadata:
    """What a metadata file says.

    Raises:
        SourceError: if it is damaged, or of a version that is not known.
    """
    try:
        found = json.loads(read_bytes(root, path))
        if not isinstance(found, dict):
            raise TypeError("it is no JSON object")
        version = found["format-version"]
        if version not in range(1, NEWEST_FORMAT + 1):
            raise SourceError(
                "its metadata is of a format version that is not known",
                value=version,
                expected=f"1 to {NEWEST_FORMAT}",
                hint="leave the table out with `exclude`",
            )
        return _metadata(path, found)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise SourceError(f"its metadata file {path} is damaged", value=reason, hint=HINT) from error


def _metadata(path: str, found: Mapping[str, Any]) -> Metadata:
    schemas = tuple(found.get("schemas") or [found["schema"]])
    wanted = found.get("current-schema-id")
    current = next((one for one in schemas if one.get("schema-id", 0) == wanted), None) or found.get("schema")
    if not isinstance(current, dict):
        raise ValueError(f"there is no schema {wanted}")
    specs = {int(one["spec-id"]): one["fields"] for one in found.get("partition-specs") or ()}
    mapping = (found.get("properties") or {}).get("schema.name-mapping.default")
    return Metadata(
        path=path,
        location=str(found["location"]),
        schema=current,
        schemas=schemas,
        specs=specs or {0: found.get("partition-spec") or ()},
        snapshot=_snapshot(found),
        name_mapping=json.loads(mapping) if mapping else None,
    )


def _snapshot(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = found.get("current-snapshot-id")
    if wanted is None or wanted == -1:
        return None
    snapshots: Sequence[Mapping[str, Any]] = found.get("snapshots") or ()
    for one in snapshots:
        if one["snapshot-id"] == wanted:
            return one
    raise ValueError(f"there is no snapshot {wanted}")


def read_bytes(root: str, path: str) -> bytes:
    """The JSON of a metadata file, unpacked.

    Raises:
        OSError, EOFError, zlib.error, ValueError: if it is not there, damaged, or too large.
    """
    with open_file(root, path) as stream:
        return unpacked(bytes(stream.read()))


def unpacked(data: bytes) -> bytes:
    """The bytes of a metadata file, or what is packed in them.

    Raises:
        OSError, EOFError, zlib.error, ValueError: if they are damaged, or too many.
    """
    if not data.startswith(_GZIP):
        return data
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        text = packed.read(_MAX_BYTES + 1)
    if len(text) > _MAX_BYTES:
        raise ValueError(f"it unpacks to more than {_MAX_BYTES >> 20} MiB")
    return text


def _hint(root: str, path: str) -> str:
    try:
        with open_file(root, path) as stream:
            return bytes(stream.read(4096)).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _version(stem: str) -> int:
    match = _HADOOP.fullmatch(stem) or _CATALOG.fullmatch(stem)
    return int(match[1]) if match else -1


def without_rivals(listed: Collection[str], noted: str) -> set[str]:
    """The files without the metadata files, but the noted one, that lie beside it and are of its version."""
    folder, _, name = noted.rpartition("/")
    version = _version_of(name)
    beside = ((path, path.rpartition("/")) for path in listed)
    rivals = {path for path, (above, _, last) in beside if above == folder and _version_of(last) == version}
    return set(listed) - (rivals - {noted} if version >= 0 else set())


def _version_of(name: str) -> int:
    match = _FILE.fullmatch(name)
    return _version(match["stem"]) if match else -1

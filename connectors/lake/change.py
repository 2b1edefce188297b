"""Whether a file is what it was: the one rule, for all who ask.

A file is known by its path, its size and its mark: the SHA-256 of its bytes where every file is digested
(`lake.paranoid`), else the tag that its source gives, else the time of its last change in nanoseconds. Identities that
are kept from one run to the next hold marks.

Two sightings of a file are compared more strictly, since what was written of the first holds its time as well: they are
the same if the size is, the tag (the time, unless both have a tag), and the bytes where both were digested.
"""

from collections.abc import Iterable
from typing import Protocol


class SeenFile(Protocol):
    """A file as somebody saw it; tag and digest are empty where they are not known."""

    @property
    def path(self) -> str:
        """Below the lake's root."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def mtime_ns(self) -> int:
        """Of the last change, UTC."""

    @property
    def etag(self) -> str:
        """What its source calls its state."""

    @property
    def sha256(self) -> str:
        """Of its bytes, in hex."""


def mark(sha256: str | None, etag: str, mtime_ns: int) -> str:
    """What stands for a file's content beside its path and size."""
    return sha256 or etag or str(mtime_ns)


def stamp(file: SeenFile) -> list[str | int]:
    """All that two sightings are compared by, for those who keep a digest of it."""
    return [file.path, file.size, file.etag or file.mtime_ns, file.sha256]


def has_changed(was: SeenFile, now: SeenFile | None, *, unit_ns: int = 1) -> bool:
    """Whether a file is gone or another; times are compared in whole `unit_ns`."""
    if now is None or was.size != now.size:
        return True
    if was.sha256 and now.sha256 and was.sha256 != now.sha256:
        return True
    if was.etag and now.etag:
        return was.etag != now.etag
    return was.mtime_ns // unit_ns != now.mtime_ns // unit_ns


def file_changes(before: Iterable[SeenFile], after: Iterable[SeenFile]) -> dict[str, str]:
    """`is gone`, `is new` or `was changed` by path, of the files that are not what they were."""
    old, new = ({file.path: file for file in files} for files in (before, after))
    changes = dict.fromkeys(old.keys() - new.keys(), "is gone") | dict.fromkeys(new.keys() - old.keys(), "is new")
    return changes | {path: "was changed" for path in old.keys() & new.keys() if has_changed(old[path], new[path])}

"""Writing files of this machine so that no half is ever seen, and what its errors mean."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from lakebed.connectors.errors import ArtifactError, LakeError

# of a link: the file system has none, or none from here to there
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV, errno.ENOSYS}
_REASONS = {
    errno.EACCES: ("no permission", "give this user the right, or choose another folder"),
    errno.EPERM: ("no permission", "give this user the right, or choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose a folder that can be written"),
    errno.ENOSPC: ("the disk is full", "free some space, or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or choose another folder"),
    errno.ENOENT: ("there is no such file or folder", "check the path"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "check the path"),
    errno.EEXIST: ("a part of the path is a file, not a folder", "check the path"),
    errno.EISDIR: ("the path is a folder, not a file", "check the path"),
}


def storage_error(error: OSError, action: str, path: str, kind: type[LakeError] = ArtifactError) -> LakeError:
    """The typed error for a failed file operation: what failed, why, and what to do."""
    why, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), "see the reason above"))
    return kind(f"cannot {action}: {why}", value=path, hint=hint)


def write_atomic(target: str, data: bytes) -> None:
    """Writes a file by a temporary one beside it, fsync, rename and fsync of the folder."""
    with _written_beside(target, data) as temporary:
        os.chmod(temporary, 0o644 & ~_umask())
        os.replace(temporary, target)


def create_private(target: str, data: bytes) -> bool:
    """Makes a file that only its owner can read; False where one is there already.

    Whole or not at all, but on a file system without hard links, where a process that is killed may leave a part.
    """
    try:
        with _written_beside(target, data) as temporary:
            try:
                os.link(temporary, target)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                    _write_durably(stream, data)
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def _written_beside(target: str, data: bytes) -> Iterator[str]:
    """A temporary file of the data beside the target, for its owner alone; afterwards it is gone, the folder synced."""
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            _write_durably(stream, data)
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    _sync_folder(folder)


def _write_durably(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()
    os.fsync(stream.fileno())


def is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder has not been seen yet, by whatever name; then it has."""
    facts = os.stat(folder)
    identity = (facts.st_dev, facts.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _umask() -> int:
    """This process's umask, which can only be asked for by setting it, but on Linux."""
    with contextlib.suppress(OSError, StopIteration), open("/proc/self/status") as lines:
        return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    """Make a rename durable; file systems that cannot sync a folder are left alone."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

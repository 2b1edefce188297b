"""Writing files of this machine so that no half is ever seen, and what its errors mean."""

import contextlib
import errno
import os
import tempfile

from lakebed.connectors.errors import ArtifactError, LakeError

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
    os.makedirs(os.path.dirname(target), exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=os.path.dirname(target))
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(target))


def create_private(target: str, data: bytes) -> bool:
    """Makes a file that only its owner can read, whole or not at all; False where one is there already."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=os.path.dirname(target))
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, target)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    _sync_folder(os.path.dirname(target))
    return True


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

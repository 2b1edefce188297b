"""Whether this user may write and delete where tables move from and to; tried, and nothing is left behind."""

import errno
import os
import uuid

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.storage import LocalStorage, Storage

_NO_NAMELESS = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}
_PREFIX = "_lakebed_probe_"


class WriteProbe:
    """Tries folders, each once.

    Locally a file without a name is made, which changes nothing that anybody sees, where the file system can; else,
    and on object stores, a hidden one that is deleted again.
    """

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def require(self, storage: Storage, folder: str, table: str) -> None:
        """Refuses a folder below a storage's root in which nothing may be written; one that is missing is made later.

        Raises:
            PlanError: naming table, folder and reason.
        """
        place = storage.uri(folder) if folder else storage.root
        place = existing(place) if isinstance(storage, LocalStorage) else place
        if place not in self._reasons:
            self._reasons[place] = _try_local(place) if isinstance(storage, LocalStorage) else _try(storage, folder)
        if reason := self._reasons[place]:
            raise PlanError(
                "a table cannot be set aside: a folder may not be written to; nothing was done",
                value=f"{table}: {place}: {reason}",
                expected="the right to write and delete there",
                hint="give this user the right, or leave the table out with --exclude",
            )


def existing(path: str) -> str:
    """The nearest folder above a local path, or the path itself, that exists."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _try_local(folder: str) -> str:
    """Why nothing may be written in a local folder; empty if it may."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600))
    except AttributeError:
        return _try_named(folder)
    except OSError as error:
        return _try_named(folder) if error.errno in _NO_NAMELESS else str(error.strerror)
    return ""


def _try_named(folder: str) -> str:
    path = os.path.join(folder, f"{_PREFIX}{uuid.uuid4().hex}")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(path)
    except OSError as error:
        return str(error.strerror)
    return ""


def _try(storage: Storage, folder: str) -> str:
    path = f"{folder}/{_PREFIX}{uuid.uuid4().hex}".lstrip("/")
    try:
        storage.write_bytes_atomic(path, b"")
        storage.delete_file(path)
    except LakeError as error:
        return error.what
    return ""

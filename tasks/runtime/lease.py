"""One run at a time on one artifact root.

Locally the lease is `flock` on `lease.json`: the kernel gives it up with the process, also after kill -9, so nothing
has to be cleaned up. The file's content only names the holder. On object stores, which have no locks, see
`object_lease.py`.
"""

import fcntl
import json
import os
import time
from dataclasses import asdict
from typing import Protocol

from lakebed.connectors.errors import LeaseError
from lakebed.connectors.storage import LocalStorage, is_object_store, storage_error
from lakebed.tasks.runtime.holder import LEASE, Holder, refusal
from lakebed.tasks.runtime.object_lease import ObjectLease, is_given_up, read_object_lease

__all__ = ["LEASE", "Holder", "Lease", "is_free", "is_held", "read_holder", "require_lease"]

_READ_TRIES = 5
_READ_WAIT_S = 0.02


class _Lock(Protocol):
    def take(self) -> None: ...

    def give_up(self) -> None: ...

    def require(self) -> None: ...


class Lease:
    """The lease on an artifact root, as a context manager.

    Raises:
        LeaseError: on entering, if another run holds it (named in the message).
        ArtifactError: on entering, if the root cannot be written.
    """

    def __init__(self, root: str, run_id: str) -> None:
        self._holder = Holder.this_process(run_id)
        self._root = root.rstrip("/")
        self._lock: _Lock = (
            ObjectLease(self._root, self._holder)
            if is_object_store(root)
            else _FileLock(LocalStorage(root), self._holder)
        )

    def __enter__(self) -> Holder:
        self._lock.take()
        _taken[self._root] = self._lock
        _ended.discard((self._root, self._holder.run_id))
        return self._holder

    def __exit__(self, *_: object) -> None:
        _taken.pop(self._root, None)
        _ended.add((self._root, self._holder.run_id))
        self._lock.give_up()


_taken: dict[str, _Lock] = {}
_ended: set[tuple[str, str]] = set()


def require_lease(root: str, run_id: str = "") -> None:
    """Says no if this process took the lease on an artifact root and has lost it since; asked before it publishes.

    Args:
        root: of the artifacts.
        run_id: of the run that asks; empty where it is none.

    Raises:
        LeaseError: if another run may be at work there now, or the one that asks has ended.
    """
    if run_id and (root.rstrip("/"), run_id) in _ended:
        raise LeaseError(
            "a stage worked on after its run had ended; nothing was published",
            value=run_id,
            expected="a run that holds the lease on its artifact root",
            hint="run the same command again: finished stages are kept",
        )
    lock = _taken.get(root.rstrip("/"))
    if lock is not None:
        lock.require()


class _FileLock:
    """`flock` on the lease's file."""

    def __init__(self, storage: LocalStorage, holder: Holder) -> None:
        self._storage, self._holder = storage, holder
        self._path = storage.uri(LEASE)
        self._handle = -1

    def take(self) -> None:
        self._storage.make_folder()
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(self._handle, json.dumps(asdict(self._holder)).encode())
        except BlockingIOError as error:
            self.give_up()
            holder = read_holder(self._storage.root)
            raise refusal(str(holder) if holder else self._path) from error
        except OSError as error:
            self.give_up()
            raise storage_error(error, "take the lease on the artifact root", self._path) from error

    def give_up(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def require(self) -> None:
        """The kernel keeps it for as long as the process lives."""


def read_holder(root: str) -> Holder | None:
    """The run that took the lease last; it may have ended since."""
    if is_object_store(root):
        found = read_object_lease(root)
        return found.holder if found else None
    path = LocalStorage(root).uri(LEASE)
    for _ in range(_READ_TRIES):
        try:
            with open(path, "rb") as stream:
                return Holder.of(json.loads(stream.read()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            # the holder is just writing its name
            time.sleep(_READ_WAIT_S)
    return None


def is_held(root: str) -> bool:
    """Whether a run holds the lease now; on an object store, whether it would be refused to another."""
    if is_object_store(root):
        found = read_object_lease(root)
        return found is not None and not found.is_free
    try:
        handle = os.open(LocalStorage(root).uri(LEASE), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def is_free(root: str) -> bool:
    """Whether a lease that was taken once is certainly held by nobody; on an object store, as far as reading tells."""
    if is_object_store(root):
        return is_given_up(root)
    return LocalStorage(root).exists(LEASE) and not is_held(root)


def _write(handle: int, data: bytes) -> None:
    """Replace the content in place: a rename would leave the lock on the old file."""
    os.pwrite(handle, data, 0)
    os.ftruncate(handle, len(data))
    os.fsync(handle)

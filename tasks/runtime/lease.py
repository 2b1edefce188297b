"""One run at a time on one artifact root.

Locally the lease is `flock` on `lease.json`: the kernel gives it up with the process, also after kill -9, so nothing
has to be cleaned up. The file's content only names the holder.
"""

import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from connectors.errors import LeaseError
from connectors.storage import LocalStorage, is_object_store, storage_error

LEASE = "lease.json"

_READ_TRIES = 5
_READ_WAIT_S = 0.02


@dataclass(frozen=True)
class Holder:
    """Who holds a lease."""

    host: str
    pid: int
    run_id: str
    started_at: str

    def __str__(self) -> str:
        return f"run {self.run_id}, process {self.pid} on {self.host}, since {self.started_at}"


class Lease:
    """The lease on an artifact root, as a context manager.

    Raises:
        LeaseError: if another run holds it (named in the message), or the root is an object store.
        ArtifactError: if the root cannot be written.
    """

    def __init__(self, root: str, run_id: str) -> None:
        if is_object_store(root):
            raise LeaseError(
                "an artifact root on an object store is not supported yet: two runs at once could not be told apart",
                value=root,
                expected="a local folder (the lake itself may lie on an object store)",
                hint="give a local folder with --artifacts",
            )
        self._storage = LocalStorage(root)
        self._path = self._storage.uri(LEASE)
        self._holder = Holder(
            socket.gethostname(), os.getpid(), run_id, datetime.now(UTC).isoformat(timespec="seconds")
        )
        self._handle = -1

    def __enter__(self) -> Holder:
        self._storage.make_folder()
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(self._handle, json.dumps(asdict(self._holder)).encode())
        except BlockingIOError as error:
            self._close()
            raise self._refusal() from error
        except OSError as error:
            self._close()
            raise storage_error(error, "take the lease on the artifact root", self._path) from error
        return self._holder

    def __exit__(self, *_: object) -> None:
        self._close()

    def _refusal(self) -> LeaseError:
        holder = read_holder(self._storage.root)
        return LeaseError(
            "another run works on this artifact root",
            value=str(holder) if holder else self._path,
            expected="one run at a time on an artifact root",
            hint="wait until it ends, or give another folder with --artifacts",
        )

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def read_holder(root: str) -> Holder | None:
    """The run that took the lease last; it may have ended since."""
    path = LocalStorage(root).uri(LEASE)
    for _ in range(_READ_TRIES):
        try:
            with open(path, "rb") as stream:
                return Holder(**json.loads(stream.read()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            # the holder is just writing its name
            time.sleep(_READ_WAIT_S)
    return None


def is_held(root: str) -> bool:
    """Whether a run holds the lease now."""
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


def _write(handle: int, data: bytes) -> None:
    """Replace the content in place: a rename would leave the lock on the old file."""
    os.pwrite(handle, data, 0)
    os.ftruncate(handle, len(data))
    os.fsync(handle)

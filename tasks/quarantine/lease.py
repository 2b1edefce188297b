"""One verb at a time on a quarantine.

On a local lake the lease is `flock` on a file, given up by the kernel with the process. Object stores have no locks:
each verb puts a claim, then lists all claims, and goes on only if its own is the only one. Listing after putting is
consistent on today's stores, so of two verbs at once at least one sees the other; both may be refused. The claim of a
process that was killed is recognised where it ran; elsewhere it has to be removed by hand.
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lakebed.connectors.errors import PlanError
from lakebed.connectors.storage import LocalStorage, Storage, storage_error
from lakebed.tasks.runtime.process_id import is_gone, this_process

LEASE = "lease.json"
CLAIMS = "claims"


@contextmanager
def quarantine_lease(storage: Storage, verb: str) -> Iterator[None]:
    """Holds the quarantine at `storage` for a verb.

    Raises:
        PlanError: if another verb works on it, named with its process.
    """
    holding = _file_lease if isinstance(storage, LocalStorage) else _object_lease
    with holding(storage, verb):
        yield


@contextmanager
def _file_lease(storage: Storage, verb: str) -> Iterator[None]:
    path = storage.uri(LEASE)
    try:
        handle = _lock(path)
    except BlockingIOError as error:
        raise _refusal(_read_holder(storage, LEASE), path) from error
    except OSError as error:
        raise storage_error(error, "take the quarantine's lease", path, PlanError) from error
    try:
        data = json.dumps({"verb": verb, **this_process()}).encode()
        # on a full disk the lock holds without the name
        with contextlib.suppress(OSError):
            os.ftruncate(handle, os.pwrite(handle, data, 0))
        yield
    finally:
        os.close(handle)


def _lock(path: str) -> int:
    """Opens and locks the file that is at `path` once the lock is held: a quarantine that ended took its file away."""
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(path)):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


@contextmanager
def _object_lease(storage: Storage, verb: str) -> Iterator[None]:
    own = f"{CLAIMS}/{secrets.token_hex(8)}.json"
    storage.write_bytes_atomic(own, json.dumps({"verb": verb, **this_process()}).encode())
    try:
        for claim in storage.list_files(CLAIMS):
            if claim.path == own or not claim.path.endswith(".json"):
                continue
            holder = _read_holder(storage, claim.path)
            if holder is not None and is_gone(holder):
                storage.delete_file(claim.path)
            elif holder is not None:
                raise _refusal(holder, storage.uri(claim.path))
        yield
    finally:
        storage.delete_file(own)


def _read_holder(storage: Storage, path: str) -> dict[str, Any] | None:
    """Who holds it, as far as that can be read; None if the claim is gone."""
    if storage.stat(path) is None:
        return None
    try:
        return dict(json.loads(storage.read_bytes(path)))
    except (ValueError, TypeError):
        return {}


def _refusal(holder: dict[str, Any] | None, path: str) -> PlanError:
    who = "{verb}, process {pid} on {host}".format(**holder) if holder and "pid" in holder else path
    return PlanError(
        "another verb works on this lake's quarantine; nothing was done",
        value=who,
        expected="one apply, restore or purge at a time on a lake",
        hint=f"wait until it ends; if its process is gone, remove {path}",
    )

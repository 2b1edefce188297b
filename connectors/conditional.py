"""Puts under a condition on object stores: make an object only where none is, replace it only if it is still the same.

S3 and its likes do it by `If-None-Match: *` and `If-Match`, Azure by ETag, GCS by generation. Arrow's file systems have
no such puts, so these go through `obstore`, with the credentials and the endpoint of the environment.
"""

import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakebed.connectors.errors import ArtifactError, LakeError
from lakebed.connectors.object_client import client, typed
from lakebed.connectors.storage import join_uri


@dataclass(frozen=True)
class ObjectVersion:
    """Which content of an object is meant: its ETag, and its generation where the store counts these."""

    e_tag: str | None
    number: str | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object's bytes, their version, and when the store itself says it took them."""

    data: bytes
    version: ObjectVersion
    changed_at: datetime


class ConditionalObjects:
    """The objects below one prefix.

    Raises (all methods): LakeError: of the given kind, if the store refuses, lacks the bucket or does not answer.
    """

    def __init__(self, root: str, error: type[LakeError] = ArtifactError) -> None:
        self.root, self._error = root.rstrip("/"), error
        self._store = client(self.root, error)

    def create(self, path: str, data: bytes) -> ObjectVersion | None:
        """Makes the object; None if one is there already, unless it is of these very bytes."""
        return self._put(path, data, "create")

    def replace(self, path: str, data: bytes, version: ObjectVersion) -> ObjectVersion | None:
        """Replaces the object if it is still of this version; None if somebody else has changed it."""
        condition = {"e_tag": version.e_tag, "version": version.number}
        return self._put(path, data, {name: value for name, value in condition.items() if value is not None})

    def read(self, path: str) -> StoredObject | None:
        """The object, None where there is none."""
        import obstore

        try:
            with self._typed("read the object", path, may_miss=True):
                found = obstore.get(self._store, path)
                meta, data = found.meta, bytes(found.bytes())
        except FileNotFoundError:
            return None
        return StoredObject(data, ObjectVersion(meta["e_tag"], meta["version"]), meta["last_modified"])

    def now(self) -> datetime:
        """The store's own time, in seconds: that of an object put and deleted for it."""
        import obstore

        path = f"clock-{secrets.token_hex(8)}"
        with self._typed("ask the store for its time", path):
            obstore.put(self._store, path, b"now")
            told: datetime = obstore.head(self._store, path)["last_modified"]
            obstore.delete(self._store, path)
        return told

    def _put(self, path: str, data: bytes, mode: Any) -> ObjectVersion | None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            with self._typed("write the object", path):
                made = obstore.put(self._store, path, data, mode=mode, use_multipart=False)
            return ObjectVersion(made["e_tag"], made["version"])
        except (AlreadyExistsError, PreconditionError):
            # a put whose answer was lost is sent again, and then refused because of itself
            found = self.read(path)
            return found.version if found is not None and found.data == data else None

    def _typed(self, action: str, path: str, *, may_miss: bool = False) -> AbstractContextManager[None]:
        return typed(action, join_uri(self.root, path), self._error, may_miss=may_miss)

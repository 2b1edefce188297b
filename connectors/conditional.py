"""Puts under a condition on object stores: make an object only where none is, replace it only if it is still the same.

S3 and its likes do it by `If-None-Match: *` and `If-Match`, Azure by ETag, GCS by generation. Arrow's file systems have
no such puts, so these go through `obstore`, with the credentials and the endpoint of the environment.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.errors import ArtifactError, LakeError
from connectors.storage import join_uri

if TYPE_CHECKING:
    from obstore.store import RetryConfig

# a store that does not answer is told of within seconds
CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S = 5, 20
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
_MAX_TEXT = 300


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
        with self._typed("use this object store", ""):
            from obstore.store import from_url

            self._store: Any = from_url(
                _known_scheme(self.root), client_options=_client_options(), retry_config=_RETRIES
            )

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
            with self._typed("read the object", path, is_missing_fine=True):
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

    @contextmanager
    def _typed(self, action: str, path: str, *, is_missing_fine: bool = False) -> Iterator[None]:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except FileNotFoundError as error:
            if is_missing_fine and not is_bucket_missing(str(error)):
                raise
            raise store_error(str(error), action, join_uri(self.root, path), self._error) from error
        except (BaseError, OSError, ValueError) as error:
            raise store_error(str(error), action, join_uri(self.root, path), self._error) from error


def store_error(text: str, action: str, path: str, kind: type[LakeError] = ArtifactError) -> LakeError:
    """The typed error for what an object store, or the way to it, answered."""
    for signs, why, hint in _ANSWERS:
        if any(sign in text.lower() for sign in signs):
            return kind(f"cannot {action}: {why}", value=path, hint=hint)
    first = (text.strip() or "no reason given").splitlines()[0][:_MAX_TEXT]
    return kind(f"cannot {action}: {first}", value=path, hint="see the reason above, and docs/object-stores.md")


def is_bucket_missing(text: str) -> bool:
    """Whether an answer says that the bucket or container itself is not there."""
    return any(sign in text.lower() for sign in _NO_BUCKET)


_NO_BUCKET = ("nosuchbucket", "bucket does not exist", "containernotfound", "no_such_bucket")
_UNKNOWN = "invalidaccesskeyid signaturedoesnotmatch invalid_access_key_id signature_does_not_match".split()
_EXPIRED = ("expiredtoken", "token has expired")
_NONE = ("no credentials", "instance metadata", "169.254.169.254", "anonymous")
_DENIED = ("accessdenied", "access denied", "access_denied", "403 forbidden", "permissiondenied", "unauthorized")
_SILENT = (
    *("connection refused", "error sending request", "curlcode", "could not connect", "timed out", "timeout"),
    *("network connection", "network_connection", "dns error", "couldn't resolve"),
)
_UNABLE = ("notimplemented", "not implemented")
_ANSWERS = (
    (_NO_BUCKET, "there is no such bucket", "make the bucket, or check its name; lakebed makes none"),
    (
        _UNKNOWN,
        "the store does not know these credentials",
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment",
    ),
    (_EXPIRED, "the credentials have expired", "get new ones into the environment"),
    (
        _NONE,
        "no credentials were found",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or what docs/object-stores.md names for your store)",
    ),
    (_DENIED, "no permission", "give these credentials the right to list, read, write and delete below this prefix"),
    (_SILENT, "the store does not answer", "check AWS_ENDPOINT_URL and that its server runs"),
    (_UNABLE, "the store cannot put under a condition", "use a store that can, or a local artifact root"),
)


def _known_scheme(uri: str) -> str:
    return "gs://" + uri.removeprefix("gcs://") if uri.startswith("gcs://") else uri


def _client_options() -> Any:
    options: dict[str, Any] = {"connect_timeout": f"{CONNECT_TIMEOUT_S}s", "timeout": f"{REQUEST_TIMEOUT_S}s"}
    return options | ({"allow_http": True} if is_plain_http() else {})


def is_plain_http() -> bool:
    """Whether the environment names an S3 endpoint without TLS, as servers on loopback have."""
    return any(os.environ.get(name, "").startswith("http://") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))

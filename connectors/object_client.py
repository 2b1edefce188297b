"""The client of object stores for single objects, and what their answers mean.

`obstore` takes credentials and endpoint from the environment, as Arrow and delta-rs do.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lakebed.connectors.errors import ArtifactError, LakeError, SourceBusyError, SourceError, StoreBusyError
from lakebed.connectors.uris import is_object_store

if TYPE_CHECKING:
    from obstore.store import RetryConfig

# a store that does not answer is told of within seconds
CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S = 5, 60
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
_MAX_TEXT = 300
# by process: the threads of a client do not survive a fork
_users: set[int] = set()
_EXPECTED = "s3://bucket/prefix, gs://bucket/prefix or abfss://container@account.dfs.core.windows.net/prefix"


def client(root: str, error: type[LakeError] = ArtifactError) -> Any:
    """The client for the objects below a prefix.

    Raises:
        LakeError: of the given kind, if the address is none.
    """
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    note_client()
    try:
        return from_url(_known_scheme(root.rstrip("/")), client_options=_client_options(), retry_config=_RETRIES)
    except (BaseError, ValueError) as failure:
        raise address_error(str(failure), root, error) from failure


def note_client() -> None:
    """Remembers that this process has made a client."""
    _users.add(os.getpid())


def has_client() -> bool:
    """Whether this process has made a client, so that a fork of it could not make one that works."""
    return os.getpid() in _users


def address_error(text: str, root: str, kind: type[LakeError]) -> LakeError:
    """The error for an address that no store is known by."""
    first = (text.strip() or "no reason given").splitlines()[0][:_MAX_TEXT]
    return kind(f"cannot use this object store: {first}", value=root, expected=_EXPECTED)


def delta_options(uri: str) -> dict[str, str] | None:
    """What delta-rs is told of a store beside the environment; None for a local folder.

    Commits on S3 are conditional puts, so that two writers cannot both make one version; the other stores need no word.
    """
    if not is_object_store(uri):
        return None
    options = {"connect_timeout": f"{CONNECT_TIMEOUT_S}s", "max_retries": "3", "retry_timeout": "20s"}
    if uri.startswith(("s3://", "s3a://")):
        options |= {"aws_conditional_put": "etag"}
    return options | ({"allow_http": "true"} if is_plain_http() else {})


@contextmanager
def typed(action: str, path: str, kind: type[LakeError] = ArtifactError, *, may_miss: bool = False) -> Iterator[None]:
    """Turns what the client raises into a typed error.

    With `may_miss` a missing object stays `FileNotFoundError`; a condition that did not hold stays what it is.
    """
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except FileNotFoundError as error:
        if may_miss and is_only_missing(str(error)):
            raise
        raise store_error(str(error), action, path, kind) from error
    except (BaseError, OSError, ValueError) as error:
        raise store_error(str(error), action, path, kind) from error


def store_error(text: str, action: str, path: str, kind: type[LakeError] = ArtifactError) -> LakeError:
    """The typed error for what an object store, or the way to it, answered; a transient one where it may change."""
    if is_busy(text):
        kind = _BUSY_KINDS.get(kind, kind)
    if known := _known(text):
        return kind(f"cannot {action}: {known[1]}", value=path, hint=known[2])
    first = (text.strip() or "no reason given").splitlines()[0][:_MAX_TEXT]
    return kind(f"cannot {action}: {first}", value=path, hint="see the reason above, and docs/object-stores.md")


def is_busy(text: str) -> bool:
    """Whether the answer may be another one soon: the store is silent, or asks to slow down."""
    known = _known(text)
    return known is not None and known[0] in (_BUSY, _SILENT)


def _known(text: str) -> tuple[tuple[str, ...], str, str] | None:
    return next((answer for answer in _ANSWERS if any(sign in text.lower() for sign in answer[0])), None)


def is_only_missing(text: str) -> bool:
    """Whether a "not found" is of the object alone: it may be of its bucket, or of the user who asks."""
    code = re.search(r"<Code>(\w+)</Code>", text)
    return code is None or code[1] in _MISSING_CODES


_MISSING_CODES = {"NoSuchKey", "NotFound", "BlobNotFound", "PathNotFound"}
_NO_BUCKET = ("nosuchbucket", "bucket does not exist", "containernotfound", "no_such_bucket")
_UNKNOWN = (
    *("invalidaccesskeyid", "signaturedoesnotmatch", "invalid_access_key_id", "signature_does_not_match"),
    *("no user exists", "usernotfound"),
)
_EXPIRED = ("expiredtoken", "token has expired")
_NONE = ("no credentials", "instance metadata", "169.254.169.254", "anonymous")
_DENIED = ("accessdenied", "access denied", "access_denied", "403 forbidden", "permissiondenied", "unauthorized")
_SILENT = (
    *("connection refused", "error sending request", "curlcode", "could not connect", "timed out", "timeout"),
    *("network connection", "network_connection", "dns error", "couldn't resolve", "after 3 retries"),
)
_BUSY = (
    *("slowdown", "slow_down", "slow down", "reduce your request rate", "throttl", "too many requests"),
    *("toomanyrequests", "serviceunavailable", "service_unavailable", "service unavailable", "serverbusy"),
    *("internal server error", "internal_failure", "internalerror"),
)
_BUSY_KINDS: dict[type[LakeError], type[LakeError]] = {ArtifactError: StoreBusyError, SourceError: SourceBusyError}
_UNABLE = ("notimplemented", "not implemented")
_ANSWERS = (
    (("path does not exist",), "nothing lies below this prefix", "check the address: bucket, prefix, capital letters"),
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
    (_BUSY, "the store asks to slow down", "run the same command again later: finished stages are kept"),
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

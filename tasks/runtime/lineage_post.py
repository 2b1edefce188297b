"""Posting lineage events by the OpenLineage client's transport: in a thread of its own, never at the cost of the run.

The client's own thread will not do: it follows redirects, which would carry the key to somebody else, and closing it
waits for what is on its way.
"""

import logging
import os
import queue
import ssl
import threading
from typing import TYPE_CHECKING, Any, cast

from lakebed.connectors.redaction import redacted
from lakebed.tasks.runtime.config import LineageConfig

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent
    from openlineage.client.transport.http import HttpTransport

API_KEY = "OPENLINEAGE_API_KEY"
MAX_FAILURES = 3

_THREAD = "lineage"
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
# `Retry-After` is not followed: a receiver may name hours
_RETRY = {
    "total": MAX_FAILURES - 1, "status_forcelist": _TRANSIENT, "allowed_methods": ["POST"],
    "backoff_factor": 0.5, "raise_on_status": False, "respect_retry_after_header": False,
}  # fmt: skip


class Poster:
    """Posts events one after the other; once one has failed three times it gives up: the file alone has the rest."""

    def __init__(self, config: LineageConfig) -> None:
        self._config = config
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._n_put = self._n_sent = 0
        self._reason = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name=_THREAD, daemon=True)
        self._thread.start()

    def put(self, event: dict[str, Any]) -> None:
        """Takes an event; returns at once."""
        self._n_put += 1
        self._queue.put(event)

    def close(self) -> str:
        """Waits at most `max_delay_s` for the rest; then says what was not delivered and why, empty if nothing."""
        self._queue.put(None)
        self._thread.join(self._config.max_delay_s)
        self._over.set()
        left = self._n_put - self._n_sent
        if not left:
            return ""
        why = self._reason or f"no answer within {self._config.max_delay_s:g} s"
        return redacted(f"{left} of {self._n_put} lineage events were not delivered to {self._config.url}: {why}")

    def _work(self) -> None:
        """Sends until the end; what the receiver refuses is not sent again, but the next event is."""
        transport: HttpTransport | None = None
        while (event := self._queue.get()) is not None and not self._over.is_set():
            try:
                transport = transport or _transport(self._config)
                transport.emit(cast("RunEvent", event))
                self._n_sent += 1
            # every error of requests is an OSError
            except (OSError, ValueError) as error:
                answer = getattr(error, "response", None)
                self._reason = str(error) if answer is None else f"HTTP {answer.status_code} {answer.reason}"
                if answer is None or answer.status_code in _TRANSIENT:
                    self._over.set()


def _is_of_others(record: logging.LogRecord) -> bool:
    return record.threadName != _THREAD


def _transport(config: LineageConfig) -> "HttpTransport":
    """Follows no redirect, takes no login from .netrc, and trusts whom this machine trusts."""
    from openlineage.client.transport import http
    from requests import Session

    # what is tried again is told once, by `close`
    logging.getLogger("urllib3.connectionpool").addFilter(_is_of_others)
    session, key, trusted = Session(), os.environ.get(API_KEY), ssl.get_default_verify_paths()
    session.max_redirects = 0
    session.auth = lambda request: request
    return http.HttpTransport(http.HttpConfig(
        url=config.url, endpoint="", timeout=config.timeout_s, session=session, retry=_RETRY,
        auth=http.ApiKeyTokenProvider({"api_key": key}) if key else http.TokenProvider({}),
        custom_headers={"User-Agent": "lakebed"},
        ssl_context=http.HttpSslContextConfig(ca_cert_path=trusted.cafile or trusted.capath),
    ))  # fmt: skip

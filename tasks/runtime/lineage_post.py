"""Posting lineage events: in a thread of its own, in order, and never at the cost of the run."""

import http.client
import os
import queue
import threading
import urllib.error
import urllib.request

from lakebed.connectors.redaction import redacted
from lakebed.tasks.runtime.config import LineageConfig

API_KEY = "OPENLINEAGE_API_KEY"
MAX_FAILURES = 3

_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_RETRY_S = 0.5
_END = ""


class Poster:
    """Posts events one after the other; after three failures in a row it gives up, and the file alone has the rest."""

    def __init__(self, config: LineageConfig) -> None:
        self._config = config
        self._queue: queue.Queue[str] = queue.Queue()
        self._n_put = self._n_sent = self._n_failures = 0
        self._reason = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lineage", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Takes an event; returns at once."""
        self._n_put += 1
        self._queue.put(line)

    def close(self) -> str:
        """Waits at most `max_delay_s` for the rest; then says what was not delivered and why, empty if nothing."""
        self._queue.put(_END)
        self._thread.join(self._config.max_delay_s)
        self._over.set()
        left = self._n_put - self._n_sent
        if not left:
            return ""
        why = self._reason or f"no answer within {self._config.max_delay_s:g} s"
        return redacted(f"{left} of {self._n_put} lineage events were not delivered to {self._config.url}: {why}")

    def _work(self) -> None:
        while (line := self._queue.get()) != _END and not self._over.is_set():
            if self._n_failures < MAX_FAILURES and self._post(line):
                self._n_sent += 1

    def _post(self, line: str) -> bool:
        """Whether the event was taken; one that the receiver refuses is not sent again."""
        while self._n_failures < MAX_FAILURES and not self._over.is_set():
            try:
                self._deliver(line)
            except urllib.error.HTTPError as error:
                self._reason = f"HTTP {error.code} {error.reason}"
                error.close()
                if error.code not in _TRANSIENT:
                    return False
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._reason = str(error) or type(error).__name__
            else:
                self._n_failures = 0
                return True
            self._n_failures += 1
            self._over.wait(_RETRY_S * self._n_failures)
        return False

    def _deliver(self, line: str) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "lakebed"}
        if key := os.environ.get(API_KEY):
            headers["Authorization"] = f"Bearer {key}"
        # the config allows http and https only
        request = urllib.request.Request(self._config.url, line.encode(), headers, method="POST")  # noqa: S310
        opener = urllib.request.build_opener(_NoRedirect)
        opener.open(request, timeout=self._config.timeout_s).close()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to somebody else."""

    def redirect_request(self, *_: object) -> None:
        return None

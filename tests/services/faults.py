"""A server that fails and heals: a proxy before a real one."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class FaultyServer(ThreadingHTTPServer):
    """Passes requests on to a server, but while it has a fault.

    Attributes:
        fault: `slow` answers 503 SlowDown, `silent` closes the connection without an answer.
        n_refused: requests that met a fault.
    """

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind).netloc
        self.fault: Literal["slow", "silent"] | None = None
        self.n_refused = 0
        super().__init__(("127.0.0.1", 0), _Passing)

    @property
    def address(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.server_port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator["FaultyServer"]:
        """Serves while the block runs."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.fault is not None:
            self.server.n_refused += 1
            self._refuse()
            return
        connection = http.client.HTTPConnection(self.server.behind)
        connection.request(self.command, self.path, body or None, dict(self.headers))
        answer = connection.getresponse()
        data = answer.read()
        headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "connection")]
        if self.command != "HEAD" and not answer.getheader("Content-Length"):
            headers.append(("Content-Length", str(len(data))))
        self._send(answer.status, headers, data)
        connection.close()

    def _refuse(self) -> None:
        if self.server.fault == "silent":
            self.close_connection = True
            self.connection.close()
        else:
            self._send(503, [("Content-Length", str(len(SLOW_DOWN))), ("Content-Type", "text/xml")], SLOW_DOWN)

    def _send(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def log_message(self, *_: object) -> None:
        """Says nothing."""

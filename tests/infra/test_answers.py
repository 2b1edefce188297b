import http.server
import subprocess
import sys
import threading

import pytest

from tests.infra.places import INFRA
from tests.services.machine import free_port


def answer(url):
    return subprocess.run(
        [sys.executable, INFRA / "image" / "answers.py", url], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_a_service_that_answers_is_healthy(server):
    assert answer(f"{server}/health").returncode == 0


def test_one_that_fails_or_is_not_there_is_not(server):
    failed = answer(f"{server}/other")
    assert (failed.returncode, "503" in failed.stderr) == (1, True)
    assert answer(f"http://127.0.0.1:{free_port()}/").returncode == 1

"""A real S3 server over a temporary folder: versitygw, which makes an object of each file."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from tests.services.machine import free_port, require_go_tool

MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
BUCKET = "lakes"
ACCESS_KEY = "lakebed-tests"
SECRET_KEY = "only-for-tests"  # noqa: S105 - of a server that lives as long as a test
START_S = 60


@dataclass
class S3Server:
    """One server; buckets are the folders of `data`.

    Attributes:
        folder: of its files.
        port: on loopback.
        environment: variables that reach it.
        process: of the server.
    """

    folder: Path
    port: int
    environment: dict[str, str]
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def data(self):
        return self.folder / "data"

    def start(self, *options):
        """Starts it, or again with other options, such as `--readonly`, on the same data."""
        program = require_go_tool("versitygw", MODULE)
        # not `--keep-alive`: after a body with a trailing checksum it takes the rest for the next request
        secrets = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        command = [
            program, "--port", f"127.0.0.1:{self.port}", "--health", "/health", "--quiet",
            "--access-log", self.folder / "access.log", *options, "posix", "--sidecar", self.folder / "sidecar",
            self.data,
        ]  # fmt: skip
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(list(map(str, command)), env=os.environ | secrets, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, OSError):
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with opener.open(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "server.log").read_text()[-2000:])

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def requests(self, skip=0):
        """How often each operation was asked for, without the first `skip` requests."""
        lines = self.log_lines()[skip:]
        return Counter(line.split()[7].removeprefix("s3_") for line in lines)

    def log_lines(self):
        path = self.folder / "access.log"
        return [line for line in path.read_text().splitlines() if " s3_" in line] if path.exists() else []

    def upload(self, source, prefix):
        """A folder's files as objects below a prefix, put as any client would; its address."""
        from lakebed.connectors.storage import Storage

        storage = Storage.at(f"s3://{BUCKET}/{prefix}")
        for path in sorted(Path(source).rglob("*")):
            if path.is_file():
                storage.write_bytes_atomic(path.relative_to(source).as_posix(), path.read_bytes())
        return storage.root


@contextlib.contextmanager
def s3_server(*options):
    """A fresh server with one bucket, and the environment that reaches it set in this process."""
    folder = Path(tempfile.mkdtemp(prefix="lakebed-s3-"))
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": address,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    server = S3Server(folder, port, environment)
    try:
        (server.data / BUCKET).mkdir(parents=True)
        (folder / "sidecar").mkdir()
        server.start(*options)
        with mock.patch.dict(os.environ, environment):
            yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

"""A real S3 server on this machine, and lakes on it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from lakebed.connectors.storage import Storage

BUCKET = "lakes"
SETTINGS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ALLOW_HTTP": "true",
    "NO_PROXY": "127.0.0.1",
}


SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """The server, with the environment that reaches it.

    It has a process of its own: delta-rs keeps Python's lock while it waits for some answers.
    """
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        address = f"http://127.0.0.1:{int(process.stdout.readline())}"
        variables = SETTINGS | {"AWS_ENDPOINT_URL": address, "AWS_ENDPOINT_URL_S3": address}
        with mock.patch.dict(os.environ, variables):
            from pyarrow import fs

            system, _ = fs.FileSystem.from_uri(f"s3://{BUCKET}?allow_bucket_creation=true")
            system.create_dir(BUCKET)
            yield variables
        process.stdin.close()


def upload(folder: Path, prefix: str) -> str:
    """Every file of a folder below a prefix; its address."""
    root = f"s3://{BUCKET}/{prefix}"
    storage = Storage.at(root)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            storage.write_bytes_atomic(path.relative_to(folder).as_posix(), path.read_bytes())
    return root


def empty(prefix: str) -> None:
    """Deletes all below a prefix."""
    Storage.at(f"s3://{BUCKET}").delete_folder(prefix)

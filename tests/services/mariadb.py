"""A MariaDB server of its own folder and port, which runs as a user that is not root."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.machine import free_port

PASSWORD = "only for tests"  # noqa: S105 - of a server that lives as long as a test
_PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb")
_START_S = 60.0


@dataclass
class MariaDB:
    """One server; `sql` may do anything on it."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def sql(self, statements, database="mysql"):
        """Runs statements over the server's socket; what the last answers, cells cut by tabs."""
        done = subprocess.run(
            [_program("mariadb"), "--no-defaults", f"--socket={self.folder}/socket", "-u", "root", "-N", "-B", "-r",
             "--default-character-set=utf8mb4", database],
            input=statements, text=True, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self):
        """Raises: AssertionError: if it does not come up."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [_program("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}",
                 "--bind-address=127.0.0.1", f"--socket={self.folder}/socket", "--innodb-flush-log-at-trx-commit=0",
                 "--innodb-buffer-pool-size=32M", "--skip-name-resolve", f"--pid-file={self.folder}/pid"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, **_as_server_user(),
            )  # fmt: skip
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(AssertionError):
                self.sql("SELECT 1")
                return
            time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def stop(self):
        """Ends it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def mariadb_server():
    """A fresh server, gone with all its data at the end; skips, saying so, where there is none."""
    if not all(map(_program, _PROGRAMS)):
        pytest.skip("no MariaDB server here: apt-get install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="lakebed-mariadb-"))
    server = MariaDB(folder, free_port())
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "mysql")
        made = subprocess.run(
            [_program("mariadb-install-db"), "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            capture_output=True, check=False, timeout=120, **_as_server_user(),
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")


def _as_server_user():
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("mysql")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

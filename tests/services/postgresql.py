"""A PostgreSQL server of its own folder and port, which runs as a user that is not root."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.machine import free_port, require_debian

USER = "lakebed"
PASSWORD = "only for tests"  # noqa: S105 - of a server that lives as long as a test


@dataclass(frozen=True)
class PostgreSQL:
    """One server; `user` may do anything on it."""

    folder: Path
    programs: Path
    port: int
    user: str = USER
    password: str = PASSWORD

    def url(self, database="postgres", scheme="postgresql"):
        return f"{scheme}://{self.user}:{self.password.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    def sql(self, statements, database="postgres"):
        """Runs statements; the rows of the last, as text, unaligned."""
        done = subprocess.run(
            [self.programs / "psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", self.url(database)],
            input=statements, text=True, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = self.folder / "log"
        self._run("pg_ctl", "-D", self.folder / "data", "-l", log, "-w", "-t", "60", "-o", options, "start")

    @property
    def is_alive(self):
        return (self.folder / "data" / "postmaster.pid").exists()

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop")

    def _run(self, program, *arguments):
        """The server refuses to run as root; a detached standard output, or the call would wait for the server."""
        done = subprocess.run(
            [self.programs / program, *map(str, arguments)], check=False, stdin=subprocess.DEVNULL, cwd=self.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, **_as_server_user(),
        )  # fmt: skip
        assert done.returncode == 0, f"{program} failed; see {self.folder / 'log'}"


@contextlib.contextmanager
def postgresql_server():
    """A fresh server, gone with all its data at the end."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="lakebed-postgresql-"))
    server = PostgreSQL(folder, programs, free_port())
    try:
        secret = folder / "password"
        secret.write_text(server.password)
        if os.geteuid() == 0:
            for path in (folder, secret):
                shutil.chown(path, "postgres")
        server._run(
            "initdb", "-D", folder / "data", "-U", server.user, "-A", "scram-sha-256", f"--pwfile={secret}",
            "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        server.start()
        yield server
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _programs():
    """The folder of the newest server's programs, which Debian keeps off the path."""
    if not _places():
        require_debian("psql", "postgresql")
    return next(iter(_places()), None) or pytest.skip("no PostgreSQL server here: apt-get install postgresql")


def _places():
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _as_server_user():
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

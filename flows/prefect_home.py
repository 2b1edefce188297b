"""Prefect without a server of the user's: quick, quiet, offline, and nothing left behind.

Prefect starts a temporary server by itself when no API is named. That costs 37 s in a fresh home (it migrates a new
database), is not started before the flow asks for it, and stays behind when the flow is killed. So a run starts its own
at once, beside Spark, on a copy of a database that set-up has migrated (decision 003).

Nothing here imports Prefect, which takes seconds; `prepare_environment` must come before the import.
"""

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

from lakebed.connectors.errors import StageError
from lakebed.connectors.places import share_folder
from lakebed.connectors.python_process import module_command, module_environment
from lakebed.tasks.runtime.progress import shown

START_TIMEOUT_S = 180
_STOP_TIMEOUT_S = 5
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
}
_OWN_SERVER = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(START_TIMEOUT_S),
    # the run's record is our own; its home goes when the run ends
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
    "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "false",
}


def prepare_environment(home: Path) -> None:
    """Sets Prefect's environment for this process and its children; values that are set already win.

    A server that the user named (`PREFECT_API_URL`, or the active profile) stays in charge: then only tracking is
    switched off. Otherwise `home` becomes PREFECT_HOME and gets a copy of the migrated database.

    Raises: StageError: if Prefect was imported before.
    """
    if "prefect" in sys.modules and os.environ.get("PREFECT_HOME") != str(home):
        raise StageError("Prefect was imported before its environment was prepared", hint="this is a fault of lakebed")
    _set_defaults(_QUIET)
    if configured_api_url():
        return
    home.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(home)
    _set_defaults(_OWN_SERVER)
    # a proxy must not be asked for a server on this machine
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"]))
    if _copy_database(home):
        os.environ["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] = "false"


def configured_api_url() -> str:
    """The server that the user chose, by variable or by Prefect's active profile; empty when there is none."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml"))
    try:
        profiles = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError):
        return ""
    active = os.environ.get("PREFECT_PROFILE") or profiles.get("active", "")
    return str(profiles.get("profiles", {}).get(active, {}).get("PREFECT_API_URL", ""))


_own_urls: set[str] = set()


def users_server() -> str:
    """The server that the user chose; empty where none is, or where it is a run's own."""
    url = configured_api_url()
    return "" if url in _own_urls else url


class EphemeralServer:
    """The run's own API server, started beside Spark; does nothing where the user named a server.

    The socket listens before the server runs, so the address is known at once and early requests wait in its queue.

    Attributes:
        seconds: how long the start took; None until `wait` has seen it, and where no server was started.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = ""
        self.seconds: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0.0

    def start(self) -> None:
        """Starts the server in the background and names it in PREFECT_API_URL; before Prefect is imported."""
        if self._process is None and not configured_api_url():
            _make_template_once()
        prepare_environment(self.home)
        if self._process is not None or configured_api_url():
            return
        self._begun = time.monotonic()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
            self._process = subprocess.Popen(
                module_command("lakebed.flows.prefect_server", str(listening.fileno())),
                stdin=subprocess.PIPE,
                stdout=sys.__stderr__.fileno() if sys.__stderr__ else None,
                env=module_environment(),
                pass_fds=[listening.fileno()],
                process_group=0,  # Ctrl-C is for the run, which still has states to report
            )
        os.environ["PREFECT_API_URL"] = self.url
        _own_urls.add(self.url)

    def wait(self) -> None:
        """Returns when the server answers.

        Raises: StageError: if it ends or does not answer in time.
        """
        if self._process is None or self.seconds is not None:
            return
        try:
            # without proxies: the server is on this machine
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(f"{self.url}/health", timeout=START_TIMEOUT_S).close()
        except (OSError, urllib.error.URLError) as error:
            status = self._process.poll()
            self.stop()
            raise StageError(
                "Prefect's temporary server did not start",
                value=error if status is None else f"exit status {status}",
                hint="`lakebed doctor`; or let PREFECT_API_URL name a server that runs",
            ) from error
        self.seconds = time.monotonic() - self._begun

    def stop(self) -> None:
        """Stops the server, waits for its end and removes its home."""
        process, self._process = self._process, None
        if process is None:
            return
        if os.environ.get("PREFECT_API_URL") == self.url:
            del os.environ["PREFECT_API_URL"]
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()
        shutil.rmtree(self.home, ignore_errors=True)


def database_template() -> Path:
    """The migrated database that set-up keeps for this version of Prefect."""
    return share_folder() / "prefect" / f"{version('prefect')}.db"


def build_database() -> Path:
    """Migrates an empty database once, in a process of its own; unless it is there; takes about 20 s.

    It appears under its name only when it is whole.

    Raises: StageError: if Prefect fails.
    """
    target = database_template()
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        environment = module_environment(**_QUIET, PREFECT_HOME=folder)
        code = "import asyncio; from prefect.server.database import provide_database_interface as db"
        command = [sys.executable, "-P", "-c", f"{code}; asyncio.run(db().create_db())"]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        made = Path(folder) / "prefect.db"
        if done.returncode != 0 or not made.is_file():
            raise StageError("Prefect did not make its database", value=done.stderr[-500:], hint="`lakebed doctor`")
        # the database without its write-ahead log: one file to copy
        with sqlite3.connect(made) as connection:
            connection.execute("VACUUM INTO ?", (f"{folder}/whole.db",))
        connection.close()
        Path(folder, "whole.db").rename(target)
    return target


def _make_template_once() -> None:
    """At the first run of an installed wheel; where it fails, Prefect makes its database itself, at each run."""
    if not database_template().is_file():
        with shown().step("Making Prefect's database, once"), contextlib.suppress(StageError, OSError):
            build_database()


def _copy_database(home: Path) -> bool:
    target, template = home / "prefect.db", database_template()
    if not target.exists() and template.is_file():
        shutil.copyfile(template, target)
    return target.exists() and template.is_file()


def _set_defaults(values: dict[str, str]) -> None:
    for name, value in values.items():
        os.environ.setdefault(name, value)


if __name__ == "__main__":
    sys.stderr.write(f"{build_database()}\n")

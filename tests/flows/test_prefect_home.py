import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import psutil
import pytest

from lakebed.connectors.errors import StageError
from lakebed.flows import prefect_home
from lakebed.flows.prefect_home import (
    EphemeralServer,
    configured_api_url,
    database_template,
    prepare_environment,
    users_server,
)


@pytest.fixture
def plain(monkeypatch, tmp_path):
    """An environment without any of Prefect's variables, and without Prefect loaded; restored afterwards."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.delitem(sys.modules, "prefect", raising=False)
    return tmp_path


def test_the_home_gets_a_migrated_database(plain):
    prepare_environment(plain / "home")
    with sqlite3.connect(plain / "home" / "prefect.db") as database:
        assert database.execute("SELECT count(*) FROM flow_run").fetchone() == (0,)
    database.close()
    assert os.environ["PREFECT_HOME"] == str(plain / "home")
    assert os.environ["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] == "false"
    assert database_template().is_file()


def test_without_set_up_prefect_migrates_by_itself(plain, monkeypatch):
    monkeypatch.setattr(prefect_home, "database_template", lambda: plain / "nothing.db")
    prepare_environment(plain / "home")
    assert "PREFECT_SERVER_DATABASE_MIGRATE_ON_START" not in os.environ


def test_a_named_server_is_left_alone(plain):
    os.environ["PREFECT_API_URL"] = "http://server/api"
    before = dict(os.environ)
    server = EphemeralServer(plain / "home")
    server.start()
    server.wait()
    server.stop()
    assert server.seconds is None
    assert not (plain / "home").exists()
    assert os.environ.keys() - before.keys() <= prefect_home._QUIET.keys()
    assert os.environ["PREFECT_API_URL"] == users_server() == "http://server/api"


def test_the_active_profile_names_a_server_too(plain):
    (plain / ".prefect").mkdir()
    profiles = 'active = "work"\n[profiles.work]\nPREFECT_API_URL = "http://profile/api"\n[profiles.local]\n'
    (plain / ".prefect" / "profiles.toml").write_text(profiles)
    assert configured_api_url() == "http://profile/api"
    os.environ["PREFECT_PROFILE"] = "local"
    assert configured_api_url() == ""


def test_settings_of_the_user_win(plain):
    os.environ["PREFECT_LOGGING_LEVEL"] = "DEBUG"
    prepare_environment(plain / "home")
    assert os.environ["PREFECT_LOGGING_LEVEL"] == "DEBUG"


def test_too_late_is_a_typed_error(plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "prefect", sys)
    with pytest.raises(StageError, match="before its environment"):
        prepare_environment(plain / "home")


RUN = """
import json, sys, time
from pathlib import Path
import psutil
from lakebed.flows.prefect_home import EphemeralServer, users_server
server = EphemeralServer(Path(sys.argv[1]))
server.start()
from prefect import flow, task
@task
def add(x): return x + 1
@flow
def count(): return add(1) + add.submit(2).result()
server.wait()
found = psutil.Process(server._process.pid).net_connections("inet")
listens = sorted({each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN})
told = {"pid": server._process.pid, "seconds": server.seconds, "listens": listens, "users": users_server()}
print(json.dumps({"answer": count(), **told}), flush=True)
if sys.argv[2] == "stay":
    time.sleep(600)
server.stop()
"""


def run(home, end):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(home), end],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.flow
def test_a_flow_runs_in_silence_and_leaves_nothing(tmp_path):
    with run(tmp_path / "home", "stop") as process:
        out, err = process.communicate(timeout=180)
    assert err == ""
    told = json.loads(out)
    assert told["answer"] == 5
    assert told["seconds"] > 0
    assert told["listens"] == ["127.0.0.1"]
    # it is the run's own: nothing is shown there that nobody will see
    assert told["users"] == ""
    assert not psutil.pid_exists(told["pid"])
    assert not (tmp_path / "home").exists()


@pytest.mark.flow
def test_the_server_does_not_outlive_a_killed_run(tmp_path):
    with run(tmp_path / "home", "stay") as process:
        told = json.loads(process.stdout.readline())
        assert psutil.pid_exists(told["pid"])
        process.send_signal(signal.SIGKILL)
        process.communicate()
    deadline = time.monotonic() + 20
    while _runs(told["pid"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(told["pid"])
    assert not (tmp_path / "home").exists()


@pytest.mark.flow
def test_a_server_that_cannot_start_is_a_typed_error(plain, monkeypatch):
    server = EphemeralServer(plain / "home")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    server.start()
    with pytest.raises(StageError, match="did not start"):
        server.wait()
    assert "PREFECT_API_URL" not in os.environ


def _runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

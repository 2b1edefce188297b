import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.masters import look_at_master, require_master


def test_a_master_that_listens_and_masters_that_do_not(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        for master in ("spark://127.0.0.1:{0}", "spark://127.0.0.1:1,127.0.0.1:{0}", "k8s://https://127.0.0.1:{0}"):
            assert look_at_master(master.format(port)) == (True, look_at_master(master.format(port))[1], "")
    assert "127.0.0.1:1: " in look_at_master("spark://127.0.0.1:1")[1]
    for name in ("YARN_CONF_DIR", "HADOOP_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert look_at_master("yarn")[:2] == (False, "yarn, without settings")
    (tmp_path / "yarn-site.xml").touch()
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    assert look_at_master("yarn")[0]


@pytest.mark.parametrize("master", ["sparks:x", "spark://host", "spark://host:70a", "spark://", "k8s://[", "mesos"])
def test_what_is_no_master_is_told(master):
    assert look_at_master(master)[1] == f"{master} is no master"
    with pytest.raises(ConfigError, match="cannot be reached"):
        require_master(master)


def test_a_manager_of_another_kind_is_left_to_spark():
    require_master("armada://host:1")
    require_master("local-cluster[2,1,1024]")
    require_master("k8s://https://127.0.0.1:1", is_submitted=True)
    with pytest.raises(ConfigError, match="cannot be reached"):
        require_master("spark://127.0.0.1:1", is_submitted=True)


def test_a_name_that_is_looked_up_for_long_is_told_of_in_time(monkeypatch):
    # no real resolver can be made to hang here
    is_over = threading.Event()

    def hang(*_):
        is_over.wait()
        raise OSError

    monkeypatch.setattr(socket, "create_connection", hang)
    begun = time.monotonic()
    found = look_at_master("spark://one.invalid:7077,two.invalid:7077")[1]
    assert found.endswith("one.invalid:7077: no answer in 3 s; two.invalid:7077: no answer in 3 s")
    assert time.monotonic() - begun < 4
    is_over.set()


STARTS = """
import json, sys, time
from pyspark import SparkContext
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter
for master in sys.argv[1:]:
    begun = time.monotonic()
    try:
        SessionStarter(SparkConfig(master=master)).get()
    except ConfigError as error:
        print(json.dumps([str(error.value), error.hint, time.monotonic() - begun, SparkContext._gateway is None]))
"""


def test_a_wrong_master_ends_the_start_before_a_jvm():
    masters = ["spark://127.0.0.1:1", "spark://nowhere.invalid:7077", "spark://127.0.0.1:99999", "spark://host"]
    command = [sys.executable, "-c", STARTS, *masters]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    answers = list(map(json.loads, done.stdout.splitlines()))
    assert len(answers) == len(masters)
    for master, (found, hint, seconds, has_no_jvm) in zip(masters, answers, strict=True):
        assert master in found and "doctor --master" in hint
        assert seconds < 5 and has_no_jvm


def test_the_server_of_the_environment_is_taken_where_no_master_was_named(monkeypatch):
    monkeypatch.setenv("SPARK_REMOTE", "sc://host:15002/;token=abc")
    assert SparkConfig().with_remote().master == "sc://host:15002" and SparkConfig().with_remote().is_connect
    assert SparkConfig(master="local[2]").with_remote().master == "local[2]"
    monkeypatch.setenv("SPARK_REMOTE", "local[2]")
    assert SparkConfig().with_remote() == SparkConfig()


def test_the_address_of_a_connect_server_may_leave_out_its_port():
    assert "host.invalid:15002: " in look_at_master("sc://host.invalid")[1]
    assert look_at_master("sc://")[1] == "sc:// is no master"


NAMED = """
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter
import os
starter = SessionStarter(SparkConfig(master="local[1]", worker_preload=()))
print(starter.get().range(3).count(), os.environ["SPARK_REMOTE"])
starter.stop()
"""


@pytest.mark.spark
def test_a_master_that_was_named_wins_over_the_environment():
    environment = os.environ | {"SPARK_REMOTE": "sc://nowhere.invalid"}
    command = [sys.executable, "-c", NAMED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=environment)
    assert done.stdout.split() == ["3", "sc://nowhere.invalid"]

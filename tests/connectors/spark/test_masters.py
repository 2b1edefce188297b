import json
import socket
import subprocess
import sys

import pytest

from lakebed.connectors.errors import ConfigError
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

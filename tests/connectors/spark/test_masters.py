import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.masters import look_at_master, require_master
from tests.services.spark_cluster import spark_cluster


def test_a_master_that_listens_and_masters_that_do_not(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        for master in ("spark://127.0.0.1:{0}", "spark://127.0.0.1:1,127.0.0.1:{0}", "k8s://https://127.0.0.1:{0}"):
            is_there, _, advice = look_at_master(master.format(port))
            assert (is_there, advice) == (True, "")
    assert "127.0.0.1:1: " in look_at_master("spark://127.0.0.1:1")[1]
    for name in ("YARN_CONF_DIR", "HADOOP_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert look_at_master("yarn")[:2] == (False, "yarn, without settings")
    (tmp_path / "yarn-site.xml").touch()
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    assert look_at_master("yarn")[0]


class Answering(threading.Thread):
    """Listens on loopback and answers the first bytes of each that connects with the same, then closes."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer, self.listening = answer, socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self.listening.getsockname()[1]}"

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                one, _ = self.listening.accept()
                with one, contextlib.suppress(ConnectionError):
                    one.recv(1000)
                    one.sendall(self.answer)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.listening.close()


@pytest.mark.parametrize("kind", ["spark", "sc"])
def test_what_else_listens_is_told_with_what_it_says(kind):
    """A page, such as that of the master itself, a server of another protocol, one that closes."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        is_there, found, _ = look_at_master(f"{kind}://127.0.0.1:{page.server_port}")
        page.shutdown()
    assert not is_there and f"it is no {kind}:// that listens there" in found
    for answer, told in ((b"SSH-2.0-OpenSSH_9\r\n", ", but says 'SSH-2.0-OpenSSH_9'"), (b"", ""), (bytes(40), "")):
        with Answering(answer) as other:
            is_there, found, _ = look_at_master(f"{kind}://{other.place}")
        assert not is_there and found.endswith(f"it is no {kind}:// that listens there{told}")


@pytest.mark.parametrize(("kind", "pieces"), [
    ("sc", (b"\0\0", b"\6\4", bytes(11))), ("spark", (bytes(8), b"\x08none")),
])  # fmt: skip
def test_an_answer_in_pieces_is_one(kind, pieces):
    class InPieces(Answering):
        def run(self):
            one, _ = self.listening.accept()
            with one:
                one.recv(1000)
                for piece in pieces:
                    one.sendall(piece)
                    time.sleep(0.05)

    with InPieces(b"") as other:
        assert look_at_master(f"{kind}://{other.place}")[0]


@pytest.mark.parametrize("kind", ["spark", "sc"])
def test_a_proxy_that_hangs_up_on_all_but_tls_may_stand_before_a_master(kind):
    class Routing(Answering):
        def run(self):
            for answer in (b"", b"\x15\x03\x03\x00\x02\x02\x28"):
                one, _ = self.listening.accept()
                with one:
                    one.recv(1000)
                    one.sendall(answer)

    with Routing(b"") as proxy:
        assert look_at_master(f"{kind}://{proxy.place}")[0]


@pytest.mark.parametrize("kind", ["spark", "sc"])
def test_who_encrypts_or_is_slow_to_answer_is_taken_for_a_master(kind):
    with Answering(b"\x15\x03\x03\x00\x02\x02\x28") as alerting:
        assert look_at_master(f"{kind}://{alerting.place}")[0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert look_at_master(f"{kind}://127.0.0.1:{silent.getsockname()[1]}")[0]


@pytest.mark.spark
@pytest.mark.parametrize("option", ["", "-Dspark.authenticate=true -Dspark.authenticate.secret=only-for-tests"])
def test_a_real_master_is_one_and_its_page_is_none(tmp_path, option):
    with spark_cluster(tmp_path, n_workers=0, java_options=option.split()) as cluster:
        assert look_at_master(cluster.master) == (True, f"{cluster.master} listens", "")
        found = look_at_master(f"spark://127.0.0.1:{cluster.page}")[1]
        assert "it is no spark:// that listens there, but says 'HTTP/1.1 400 Bad Request'" in found
        port = cluster.master.rpartition(":")[2]
        assert look_at_master(f"sc://127.0.0.1:{port}")[1].endswith("it is no sc:// that listens there")


@pytest.mark.spark
@pytest.mark.heavy
def test_who_never_answers_is_named_when_spark_gives_it_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        master = f"spark://127.0.0.1:{silent.getsockname()[1]}"
        code = STARTS.replace("except ConfigError", "except StageError").replace(
            "import ConfigError", "import StageError"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, master], capture_output=True, text=True, timeout=400, check=True
        )
    ((found, *_),) = map(json.loads, done.stdout.splitlines())
    assert found.startswith(f"Spark gave up, since {master} did not take the application: ")


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

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyspark import SparkContext

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.memory import jvm_pid
from lakebed.connectors.spark.session import SessionStarter, _stop_jvm, shared_session
from lakebed.tasks.runtime.memory import peak_memory_bytes

MIB = 1 << 20


@pytest.mark.spark
def test_pins(spark, spark_starter):
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.execution.arrow.pyspark.enabled") == "true"
    assert spark.sparkContext.defaultParallelism == len(os.sched_getaffinity(0))
    assert spark_starter.is_started
    assert spark_starter.seconds > 0
    assert spark_starter.ready_at <= time.monotonic()
    assert spark_starter.get() is spark


@pytest.mark.spark
def test_delta_tables_are_written_and_read(spark, tmp_path):
    spark.range(10).write.format("delta").save(str(tmp_path / "table"))
    assert spark.read.format("delta").load(str(tmp_path / "table")).count() == 10


@pytest.mark.spark
def test_workers_are_forked_from_one_daemon_of_this_python(spark, spark_starter):
    spark_starter.warm_up().result()

    def look(batches):
        for _ in batches:
            yield pa.RecordBatch.from_pydict(
                {"python": [sys.executable], "daemon": [os.getppid()], "n": ["numpy" in sys.modules]}
            )

    cores = spark.sparkContext.defaultParallelism
    rows = spark.range(0, cores, 1, cores).mapInArrow(look, "python string, daemon long, n boolean").collect()
    assert {row.python for row in rows} == {sys.executable}
    assert len({row.daemon for row in rows}) == 1
    assert all(row.n for row in rows)


@pytest.mark.spark
def test_memory_peaks_are_plausible(spark):
    assert 100 * MIB < peak_memory_bytes(jvm_pid(spark)) < 4096 * MIB
    assert 30 * MIB < peak_memory_bytes() < 8192 * MIB


@pytest.mark.spark
def test_another_config_in_the_same_process_is_refused(spark, spark_config):
    with pytest.raises(ConfigError, match="another config"):
        shared_session(spark_config.model_copy(update={"driver_memory_mib": 2048}))
    with pytest.raises(ConfigError) as caught:
        SessionStarter(SparkConfig(conf={"spark.ui.enabled": "true"})).get()
    assert caught.value.examples == ("spark.ui.enabled = false, wanted true",)


def test_missing_jars_are_a_typed_error_and_start_no_jvm(tmp_path):
    with pytest.raises(ConfigError, match="jars are missing"):
        SessionStarter(SparkConfig(jars=str(tmp_path))).get()


def test_a_jvm_that_does_not_end_is_killed(monkeypatch):
    hanging = subprocess.Popen(["sleep", "600"], stdin=subprocess.PIPE)
    gateway = SimpleNamespace(proc=hanging, shutdown=lambda: None)
    monkeypatch.setattr(SparkContext, "_gateway", gateway)
    monkeypatch.setattr(SparkContext, "_jvm", None)
    _stop_jvm(0.1)
    assert hanging.returncode == -signal.SIGKILL
    assert SparkContext._gateway is None


def test_stopping_what_was_not_started_does_nothing():
    starter = SessionStarter(SparkConfig())
    starter.stop()
    assert not starter.is_started
    assert starter.seconds is None


RUN = """
import os, signal, sys
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.memory import jvm_pid
from lakebed.connectors.spark.session import SessionStarter
# Spark puts options of its own before these
options = {f"spark.{whose}.extraJavaOptions": "-Dof.mine=yes" for whose in ("driver", "executor")}
starter = SessionStarter(SparkConfig(worker_preload=(), conf=options))
session = starter.get()
starter.warm_up().result()
print(jvm_pid(session), flush=True)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.spark
@pytest.mark.parametrize("end", ["kill", "return"])
def test_start_up_is_silent_and_the_jvm_ends_with_the_run(end):
    """Standard output belongs to the answer, standard error to us; whichever way the run ends, no JVM stays."""
    done = subprocess.run([sys.executable, "-c", RUN, end], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == (-9 if end == "kill" else 0)
    assert done.stderr == ""
    pid = int(done.stdout)  # the process id and nothing else
    deadline = time.monotonic() + 20
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(pid)


DYING = """
import os, signal, sys, threading, time
from pyspark import SparkContext
from lakebed.connectors.errors import SparkLostError
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter

def kill(n):
    last = None
    for _ in range(n):
        while (process := getattr(SparkContext._gateway, "proc", None)) in (None, last):
            time.sleep(0.001)
        last = process
        process.kill()

threading.Thread(target=kill, args=(int(sys.argv[1]),), daemon=True).start()
starter = SessionStarter(SparkConfig(worker_preload=()))
try:
    print(starter.get().range(3).count())
except SparkLostError as error:
    print(error.what)
starter.stop()
"""


@pytest.mark.spark
@pytest.mark.parametrize(("n_kills", "told"), [(1, "3"), (2, "the Spark session did not start")])
def test_a_jvm_that_dies_while_it_starts_is_started_once_more(n_kills, told):
    command = [sys.executable, "-c", DYING, str(n_kills)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, told), done.stderr


THEIRS = """
from pyspark.sql import SparkSession
from lakebed.connectors.errors import SparkLostError
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter

ours = SessionStarter(SparkConfig(worker_preload=()))
theirs = ours.get()
def lost(session):
    raise SparkLostError("a Spark job failed")
starter = SessionStarter(SparkConfig(worker_preload=()))
starter.checks.append(lost)
try:
    starter.get()
except SparkLostError as error:
    print(error.what)
starter.stop()
print(theirs.range(3).count())
ours.stop()
"""


@pytest.mark.spark
def test_executors_that_are_lost_at_the_start_do_not_end_another_programs_session():
    command = [sys.executable, "-c", THEIRS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "a Spark job failed\n3\n"), done.stderr


LOGGING = """
import sys
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter
from lakebed.tasks.runtime.config import LoggingConfig
from lakebed.tasks.runtime.logs import configure
configure(LoggingConfig(format=sys.argv[1]))
jvm = SessionStarter(SparkConfig(worker_preload=())).get()._jvm
logger = jvm.org.apache.logging.log4j.LogManager.getLogger("some.where.Class")
logger.error('a "quote",\\n\\x01')
logger.error("thrown", jvm.java.lang.RuntimeException('"why"'))
"""


@pytest.mark.spark
def test_lines_of_the_jvm_are_objects_like_our_own_on_demand():
    def told(form):
        command = [sys.executable, "-c", LOGGING, form]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stderr

    first, second = (json.loads(line) for line in told("json").splitlines())
    assert first.keys() == {"time", "level", "run_id", "stage", "event", "fields"}
    assert datetime.fromisoformat(first["time"]).utcoffset() == timedelta(0)
    assert (first["level"], first["event"]) == ("error", "log")
    message = 'a "quote",\n\x01'
    assert first["fields"]["message"] == message and first["fields"]["logger"] == "some.where.Class"
    assert second["fields"]["message"] == "thrown"
    assert second["fields"]["traceback"].startswith('java.lang.RuntimeException: "why"\n\tat ')
    assert message in told("text")


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

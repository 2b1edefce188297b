import re
import subprocess
import sys
from pathlib import Path

from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.java import find_java
from lakebed.connectors.spark.settings import s3_settings, session_settings, worker_environment, worker_python

JARS = [Path("/jars/a.jar"), Path("/jars/b.jar")]


def test_a_cluster_gets_jars_and_code_and_keeps_its_own_jvm_and_network():
    settings = session_settings(SparkConfig(master="spark://host:7077", driver_memory_mib=2048), JARS)
    assert settings["spark.jars"] == "/jars/a.jar,/jars/b.jar"
    assert settings["spark.driver.memory"] == "2048m"
    assert settings["spark.python.daemon.module"] == "lakebed.connectors.spark.daemon"
    assert settings["spark.executorEnv.PYTHONPATH"] == "lakebed.zip"
    assert settings["spark.executorEnv.PYTHONSAFEPATH"] == "1"
    assert "lakebed.tasks.encoding" in settings["spark.executorEnv.LAKEBED_WORKER_PRELOAD"]
    for name in ("spark.driver.host", "spark.driver.bindAddress", "spark.ui.enabled", "spark.sql.shuffle.partitions"):
        assert name not in settings
    assert not any("extraJavaOptions" in name for name in settings)


def test_the_jvm_of_executors_takes_the_flags_and_compiles_late():
    flags = session_settings(SparkConfig(master="spark://host:7077"), JARS)["spark.executor.defaultJavaOptions"].split()
    java = [find_java().path, *flags, "-XX:+PrintFlagsFinal", "-version"]
    found = subprocess.run(java, capture_output=True, text=True, check=True).stdout
    set_here = dict(re.findall(r"(Tier4\w+Threshold) += (\d+) +\{product\} \{command line\}", found))
    assert len(set_here) == len(flags) == 4
    assert all(f"-XX:{name}={value}" in flags for name, value in set_here.items())
    assert "spark.executor.defaultJavaOptions" not in session_settings(SparkConfig(), JARS)


def test_what_was_submitted_wins_over_all_but_the_pins_and_the_config():
    submitted = {
        "spark.master": "spark://host:7077",
        "spark.app.name": "nightly",
        "spark.driver.memory": "7g",
        "spark.jars": "x.jar",
        "spark.sql.session.timeZone": "Europe/Berlin",
        "spark.sql.extensions": "org.x.Extensions",
        "spark.executor.cores": "4",
    }
    settings = session_settings(
        SparkConfig(master="spark://host:7077", conf={"spark.executor.cores": "2"}), [], submitted
    )
    assert {name: settings[name] for name in ("spark.app.name", "spark.driver.memory", "spark.jars")} == {
        "spark.app.name": "nightly",
        "spark.driver.memory": "7g",
        "spark.jars": "x.jar",
    }
    assert settings["spark.sql.session.timeZone"] == "UTC"
    assert settings["spark.executor.cores"] == "2"
    assert settings["spark.sql.extensions"] == "org.x.Extensions,io.delta.sql.DeltaSparkSessionExtension"


def test_a_submitted_local_session_finds_our_code():
    settings = session_settings(SparkConfig(), [], {"spark.master": "local[2]"})
    assert settings["spark.master"] == "local[2]"
    assert (Path(settings["spark.executorEnv.PYTHONPATH"]) / "connectors").is_dir()
    assert "spark.jars" not in settings


def test_event_log_and_metrics_are_off_unless_wanted():
    names = ("spark.eventLog.dir", "spark.ui.prometheus.enabled")
    assert not any(name in session_settings(SparkConfig(), JARS) for name in names)
    settings = session_settings(SparkConfig(event_log="/logs", prometheus=True), JARS)
    assert [settings[name] for name in (*names, "spark.ui.enabled")] == ["file:///logs", "true", "true"]
    assert session_settings(SparkConfig(event_log="s3a://b/logs"), JARS)["spark.eventLog.dir"] == "s3a://b/logs"


def test_local_settings_stay_on_this_machine():
    settings = session_settings(SparkConfig(), JARS)
    assert settings["spark.driver.bindAddress"] == "127.0.0.1"
    assert "spark.jars" not in settings


def test_settings_of_the_config_win():
    settings = session_settings(SparkConfig(conf={"spark.sql.shuffle.partitions": "3", "spark.x": "y"}), JARS)
    assert (settings["spark.sql.shuffle.partitions"], settings["spark.x"]) == ("3", "y")


def test_workers_run_this_python_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "/elsewhere/python")
    monkeypatch.setenv("SPARK_HOME", "/elsewhere/spark")
    environment = worker_environment(SparkConfig(worker_preload=("a", "b:c")))
    assert environment["PYSPARK_PYTHON"] == sys.executable
    assert "SPARK_HOME" not in environment
    assert environment["LAKEBED_WORKER_PRELOAD"] == "a,b:c"


def test_the_python_of_a_cluster_is_the_named_one(monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "/there/python")
    assert worker_python(SparkConfig()) == sys.executable
    assert worker_python(SparkConfig(master="yarn")) == "/there/python"
    assert (
        worker_python(SparkConfig(master="yarn", conf={"spark.pyspark.python": "./env/bin/python"}))
        == "./env/bin/python"
    )
    monkeypatch.delenv("PYSPARK_PYTHON")
    assert worker_python(SparkConfig(master="yarn")) == sys.executable


def test_local_masters():
    names = ("local", "local[2]", "local[*]", "local-cluster[2,1,1024]", "yarn")
    assert [SparkConfig(master=name).is_local for name in names] == [True, True, True, False, False]


def test_the_place_of_a_store_is_passed_on_and_no_credential():
    environment = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:7070",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    settings = s3_settings(environment)
    assert settings["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:7070"
    assert settings["spark.hadoop.fs.s3a.endpoint.region"] == "eu-central-1"
    assert settings["spark.hadoop.fs.s3a.path.style.access"] == "true"
    assert settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "false"
    assert not {"key", "secret"} & set(settings.values())
    assert s3_settings({}) == {}


def test_amazons_own_endpoint_and_the_buckets_host_name():
    assert "spark.hadoop.fs.s3a.endpoint" not in s3_settings({"AWS_DEFAULT_REGION": "us-east-1"})
    virtual = s3_settings({"AWS_ENDPOINT_URL_S3": "https://store", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"})
    assert virtual["spark.hadoop.fs.s3a.path.style.access"] == "false"
    assert virtual["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "true"

import sys
from pathlib import Path

from connectors.spark.config import SparkConfig
from connectors.spark.settings import s3_settings, session_settings, worker_environment

JARS = [Path("/jars/a.jar"), Path("/jars/b.jar")]


def test_a_cluster_gets_the_jars_and_keeps_its_own_jvm_and_workers():
    settings = session_settings(SparkConfig(master="spark://host:7077", driver_memory_mib=2048), JARS)
    assert settings["spark.jars"] == "/jars/a.jar,/jars/b.jar"
    assert settings["spark.driver.memory"] == "2048m"
    assert "spark.python.daemon.module" not in settings
    assert "spark.driver.host" not in settings
    assert not any("extraJavaOptions" in name for name in settings)


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

import subprocess
import sys
import time

import pytest

from lakebed.connectors import doctor
from lakebed.connectors.doctor import (
    check_disk,
    check_jars,
    check_java,
    check_master,
    check_memory,
    check_spark,
    check_worker_python,
    quick_checks,
)
from lakebed.connectors.spark.config import SparkConfig


def test_this_machine_is_fit_and_each_check_says_what_it_found():
    checks = quick_checks(SparkConfig())
    assert [check.name for check in checks if not check.is_ok] == []
    assert all(check.found for check in checks)
    assert len({check.name for check in checks}) == len(checks)


def test_quick_checks_load_neither_spark_nor_prefect():
    code = """
import sys
from lakebed.connectors.doctor import SparkConfig, quick_checks
quick_checks(SparkConfig())
print([name for name in ("pyspark", "prefect", "great_expectations", "py4j") if name in sys.modules])
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - begun < 5


def test_faults_come_with_a_fix(tmp_path, monkeypatch):
    faults = [
        check_jars(SparkConfig(jars=str(tmp_path))),
        check_memory(SparkConfig(driver_memory_mib=1 << 20)),
        check_master("spark://127.0.0.1:1"),
    ]
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    faults.append(check_java())
    assert [(check.is_ok, bool(check.fix)) for check in faults] == [(False, True)] * 4


def test_the_python_of_a_clusters_workers(monkeypatch):
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)  # a session of another test has set it
    assert sys.executable in check_worker_python(SparkConfig(master="yarn")).found
    named = SparkConfig(master="yarn", conf={"spark.pyspark.python": "./env/bin/python"})
    assert check_worker_python(named).found == "./env/bin/python"


def test_disk_of_an_artifact_root_that_is_not_there_yet(tmp_path, monkeypatch):
    assert str(tmp_path) in check_disk(str(tmp_path / "not" / "yet")).found
    assert check_disk("s3://bucket/artifacts").is_ok
    monkeypatch.setattr(doctor, "_MIN_DISK_BYTES", 1 << 60)
    assert not check_disk(str(tmp_path)).is_ok


@pytest.mark.spark
@pytest.mark.heavy
def test_the_spark_check_starts_a_session():
    """In a process of its own: the session of these tests must stay."""
    made = "check_spark(SparkConfig(worker_preload=()))"
    code = f"from lakebed.connectors.doctor import SparkConfig, check_spark; print({made})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "is_ok=True" in done.stdout
    assert done.stderr == ""


def test_the_spark_check_without_jars_names_them(tmp_path):
    check = check_spark(SparkConfig(jars=str(tmp_path)))
    assert not check.is_ok
    assert "jars are missing" in check.found
    assert "make setup" in check.fix

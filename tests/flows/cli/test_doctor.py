import pytest

from flows.cli.doctor import doctor
from tests.flows.processes import lakebed


def test_json_is_one_object_and_the_status_tells(tmp_path):
    answer = lakebed("doctor", "--json", "--artifacts", "a", folder=tmp_path)
    found = answer.json
    assert answer.status == (0 if found["is_ok"] else 1)
    names = [check["name"] for check in found["checks"]]
    assert len(names) == len(set(names)) >= 5
    assert all(check["is_ok"] or check["fix"] for check in found["checks"])
    assert not (tmp_path / "a").exists()


def test_a_missing_java_is_named_with_its_fix(tmp_path):
    answer = lakebed("doctor", folder=tmp_path, JAVA_HOME="/nonexistent", PATH="/nonexistent")
    assert answer.status == 1
    assert "FAIL" in answer.out and "fix: " in answer.out
    assert "Traceback" not in answer.err


@pytest.mark.spark
def test_with_spark_a_session_is_tried(capsys, spark_starter):
    doctor(artifacts="a", spark=True)
    assert "spark: 4." in capsys.readouterr().out
    assert spark_starter.get().range(3).count() == 3

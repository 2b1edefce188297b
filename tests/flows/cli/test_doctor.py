import pytest

from lakebed.flows.cli.doctor import doctor
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


def test_a_master_is_looked_for_by_option_and_by_config(tmp_path):
    (tmp_path / "x.toml").write_text('[spark]\nmaster = "spark://127.0.0.1:1"\n')
    for given in (("--master", "spark://127.0.0.1:1"), ("--config", "x.toml")):
        answer = lakebed("doctor", "--json", *given, folder=tmp_path)
        assert answer.status == 1
        (check,) = [check for check in answer.json["checks"] if check["name"] == "master"]
        assert not check["is_ok"] and "spark://127.0.0.1:1" in check["found"]


@pytest.mark.spark
def test_with_spark_a_session_is_tried(capsys, spark_starter):
    doctor(artifacts="a", spark=True)
    assert "spark: 4." in capsys.readouterr().out
    assert spark_starter.get().range(3).count() == 3

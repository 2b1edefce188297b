from lakebed.flows.runner import chosen_runner, run_flow
from lakebed.run import run_here


def test_only_an_application_of_spark_submit_without_a_server_does_without_prefect(monkeypatch, tmp_path):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert chosen_runner() is run_flow
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert chosen_runner() is run_here
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    assert chosen_runner() is run_flow

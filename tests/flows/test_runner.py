from lakebed.config import LakebedConfig
from lakebed.flows.runner import chosen_runner, run_flow
from lakebed.run import run_here


def test_a_local_run_or_an_application_of_spark_submit_does_without_prefect_unless_a_server_is_named(
    monkeypatch, tmp_path
):
    local, spark = (LakebedConfig(lake={"root": str(tmp_path)}, engine=name) for name in ("auto", "spark"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert chosen_runner(local) is run_here
    assert chosen_runner(spark) is run_flow
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert chosen_runner(spark) is run_here
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    assert chosen_runner(spark) is chosen_runner(local) is run_flow

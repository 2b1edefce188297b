"""The compose file: read by the tool itself, and held to the image and the code."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.infra.places import INFRA, SECRETS, compose, compose_services

SERVICES = compose_services()
OURS = {name: service for name, service in SERVICES.items() if "lakebed:" in service["image"]}


@pytest.mark.heavy
@pytest.mark.long
class TestTool:
    def test_docker_compose_accepts_it(self):
        done = compose("config", "--format", "json")
        assert (done.returncode, done.stderr) == (0, "")
        services = json.loads(done.stdout)["services"]
        assert services.keys() == SERVICES.keys()
        assert (
            services["prefect-server"]["environment"]["PREFECT_SERVER_DATABASE_PASSWORD"]
            == SECRETS["POSTGRES_PASSWORD"]
        )
        assert services["worker"]["environment"]["AWS_ENDPOINT_URL"] == "http://s3:7070"

    def test_lake_and_artifacts_may_lie_on_any_s3_and_a_password_holds_any_character(self):
        password = "a@b/c:d%e#f? x"  # noqa: S105
        variables = {
            **SECRETS, "POSTGRES_PASSWORD": password, "LAKE_ROOT": "s3://lake/tables", "S3_ENDPOINT": "",
            "ARTIFACTS_ROOT": "s3://artifacts/lakebed", "POSTGRES_IMAGE": "postgres@sha256:" + 64 * "0",
        }  # fmt: skip
        services = json.loads(compose("config", "--format", "json", secrets=variables).stdout)["services"]
        for name in ("worker", "spark-worker"):
            found = services[name]["environment"]
            assert (found["LAKEBED_LAKE__ROOT"], found["AWS_ENDPOINT_URL"]) == ("s3://lake/tables", "")
            assert found["AWS_SECRET_ACCESS_KEY"] == SECRETS["S3_SECRET_KEY"]
        assert services["prefect-server"]["environment"]["PREFECT_SERVER_DATABASE_PASSWORD"] == password
        assert services["postgres"]["image"].endswith(64 * "0")

    @pytest.mark.parametrize("missing", SECRETS)
    def test_what_is_not_set_is_named(self, missing):
        done = compose("config", secrets={name: value for name, value in SECRETS.items() if name != missing})
        assert done.returncode != 0
        assert missing in done.stderr and "infra/.env" in done.stderr

    def test_the_example_with_secrets_in_it_is_enough(self, tmp_path):
        filled = [line + "x" if line.endswith("=") else line for line in example()]
        (tmp_path / ".env").write_text("\n".join(filled))
        done = compose("--env-file", str(tmp_path / ".env"), "config", "--quiet", secrets={})
        assert (done.returncode, done.stderr) == (0, "")


def example():
    return [line for line in (INFRA / "compose.env.example").read_text().splitlines() if line and line[0] != "#"]


def test_the_example_names_every_variable():
    named = {line.partition("=")[0] for line in example()}
    assert named == set(re.findall(r"\$\{(\w+)", (INFRA / "compose.yaml").read_text()))


def test_ports_are_published_on_loopback_only():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_secret_is_written_and_the_example_holds_none():
    text = (INFRA / "compose.yaml").read_text()
    for name in ("POSTGRES_PASSWORD", "S3_SECRET_KEY"):
        assert f"{name}=" in example()
        assert f"${{{name}" in text
    assert ".env" in (INFRA.parent / ".gitignore").read_text().splitlines()
    assert "**/.env" in (INFRA.parent / ".dockerignore").read_text().splitlines()


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_checked_limited_and_waits_for_what_it_needs(name):
    service = SERVICES[name]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    # what names no test of its own takes the image's, `lakebed doctor`
    assert "test" in service["healthcheck"] or service["command"][0] == "lakebed"
    for needed, condition in service.get("depends_on", {}).items():
        assert needed in SERVICES and condition == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", OURS)
def test_our_services_write_nothing_but_volumes(name):
    service = OURS[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    targets = {volume["target"] for volume in service["volumes"] if isinstance(volume, dict)}
    assert {"/tmp", "/home/lakebed"} <= targets


def test_postgresql_writes_nothing_but_its_volume_and_is_nobody_special():
    service = SERVICES["postgres"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["user"] == "999:999"
    assert "/var/run/postgresql" in {each.partition(":")[0] for each in service["tmpfs"]}


def test_prefect_makes_an_address_of_any_password():
    from sqlalchemy.engine import make_url

    password = "a@b/c:d%e#f? $x\"'"  # noqa: S105
    given = {name: str(value) for name, value in SERVICES["prefect-server"]["environment"].items()}
    code = """
from prefect.settings import get_current_settings
print(get_current_settings().server.database.connection_url.get_secret_value())
"""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **given}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | {"PREFECT_SERVER_DATABASE_PASSWORD": password},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    url = make_url(done.stdout.strip())
    assert (url.password, url.host, url.username, url.database) == (password, "postgres", "prefect", "prefect")


def test_a_working_run_is_not_taken_for_a_dead_one():
    """The worker's health is whether it polls, not what is free on a busy machine."""
    assert SERVICES["worker"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8080/health"
    assert "--health" in SERVICES["worker"]["command"]


def test_folders_of_ended_applications_go():
    assert "-Dspark.worker.cleanup.enabled=true" in SERVICES["spark-worker"]["environment"]["SPARK_WORKER_OPTS"]


def test_driver_and_executors_see_lake_and_artifacts_under_one_path():
    def places(name):
        found = [yaml.safe_dump(volume) for volume in SERVICES[name]["volumes"]]
        return {text for text in found if "artifacts" in text} | {"/lake" for text in found if "target: /lake" in text}

    roots = yaml.safe_load((INFRA / "compose.yaml").read_text())["x-roots"]
    for name in ("worker", "spark-worker"):
        assert roots.items() <= SERVICES[name]["environment"].items()
    assert places("worker") == places("spark-worker") and len(places("worker")) == 2
    assert OURS["worker"]["image"] == OURS["spark-worker"]["image"]

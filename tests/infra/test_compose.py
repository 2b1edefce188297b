"""The compose file: read by the tool itself, and held to the image and the code."""

import json
import re

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
        assert services["prefect-server"]["environment"]["PREFECT_API_DATABASE_CONNECTION_URL"].count("one") == 1

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


def test_driver_and_executors_see_lake_and_artifacts_under_one_path():
    def places(name):
        found = [yaml.safe_dump(volume) for volume in SERVICES[name]["volumes"]]
        return {text for text in found if "artifacts" in text} | {"/lake" for text in found if "target: /lake" in text}

    assert places("worker") == places("spark-worker") and len(places("worker")) == 2
    assert OURS["worker"]["image"] == OURS["spark-worker"]["image"]

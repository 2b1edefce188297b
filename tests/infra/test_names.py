"""Names in infra/, against the code: programs, verbs, settings, classes, ports, versions."""

import importlib
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pyspark
import pytest
import typer.main
import yaml

from lakebed.config import LakebedConfig, load_config
from lakebed.flows.cli.main import app
from tests.docs.pages import ROOT
from tests.infra.places import CHART, IMAGE_ROOT, INFRA, SECRETS, compose_services, image_environment

SERVICES = compose_services()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = {path.name: path.read_text() for path in sorted((CHART / "templates").iterdir())}
EVERYTHING = "\n".join(
    path.read_text() for path in sorted(INFRA.rglob("*")) if path.is_file() and path.suffix not in {".py", ".pyc"}
)


def commands():
    return [(name, service["command"]) for name, service in SERVICES.items() if "command" in service]


def test_programs_are_console_scripts_of_the_environment():
    for name, (program, *_) in commands():
        assert program == "/bin/sh" or (Path(sys.executable).parent / program).exists(), name


def test_commands_parse_as_the_console_script_parses_them():
    group = typer.main.get_command(app)
    worker = ["/etc/lakebed/lakebed.toml", "--pool", VALUES["worker"]["workPool"], "--timezone", "UTC"]
    called = [command[1:] for _, command in commands() if command[0] == "lakebed"]
    called += [VALUES["cronJob"]["arguments"], ["serve", *worker]]
    for verb, *arguments in called:
        if verb == "serve" and not (ROOT / "flows" / "cli" / "serve.py").exists():
            continue  # it comes with another branch
        group.commands[verb].make_context(verb, list(arguments))


def test_verbs_of_the_notes_exist():
    known = set(typer.main.get_command(app).commands)
    named = set(re.findall(r"(?:^|[\s`(])lakebed ([a-z]+)(?=[\s`,;.)]|$)", TEMPLATES["NOTES.txt"], re.MULTILINE))
    assert named - {"serve"} == {"doctor", "status"} and named - {"serve"} <= known


def test_variables_are_known_to_the_configuration():
    sections = LakebedConfig.model_fields
    for variable in set(re.findall(r"LAKEBED_[A-Z_]+[A-Z]", EVERYTHING)):
        if variable in {"LAKEBED_SPARK_JARS", "LAKEBED_IVY_SETTINGS"}:
            continue
        section, _, key = variable.removeprefix("LAKEBED_").lower().partition("__")
        assert section in sections, variable
        assert not key or key in sections[section].annotation.model_fields, variable


def test_the_workers_environment_is_a_configuration(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, value in (image_environment() | SERVICES["worker"]["environment"]).items():
        if name.startswith("LAKEBED_"):
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
    settings = load_config()
    assert settings.lake.root == "/lake"
    assert settings.spark.master == "spark://spark-master:7077"
    assert settings.spark.conf["spark.driver.host"] == SERVICES["worker"]["hostname"]
    assert settings.spark.conf["spark.pyspark.python"] == image_environment()["PYSPARK_PYTHON"]
    assert settings.spark.conf["spark.eventLog.dir"] in SERVICES["spark-history"]["environment"]["SPARK_HISTORY_OPTS"]


def test_paths_of_the_image_are_paths_of_the_repository():
    for path in set(re.findall(rf"{IMAGE_ROOT}/(infra/[\w./-]+)", EVERYTHING)):
        assert (ROOT / path).is_file(), path


def test_classes_of_spark_exist():
    (core,) = (Path(pyspark.__file__).parent / "jars").glob("spark-core_*.jar")
    known = zipfile.ZipFile(core).namelist()
    named = set(re.findall(r"org\.apache\.spark\.[\w.]+", EVERYTHING))
    assert len(named) >= 4
    for name in named:
        assert f"{name.replace('.', '/')}.class" in known


def port_of(text):
    return int(re.search(r"(\d{4,5})", text)[1])


@pytest.mark.parametrize(
    ("service", "option"),
    [("prefect-server", "--port"), ("spark-master", "--webui-port"), ("spark-worker", "--webui-port")],
)
def test_healthchecks_ask_the_port_that_is_served(service, option):
    command = SERVICES[service]["command"]
    served = int(command[command.index(option) + 1])
    assert f":{served}/" in SERVICES[service]["healthcheck"]["test"][-1]
    for published in SERVICES[service].get("ports", []):
        assert published.endswith(f":{served}")


def test_services_are_called_by_their_names_and_ports():
    address = re.compile(r"(?:http|spark)://([a-z0-9-]+):(\d+)|@(postgres):(\d+)")
    for host, port, database, database_port in address.findall(yaml.safe_dump(SERVICES)):
        name, at = host or database, int(port or database_port)
        if name == "127":
            continue
        assert name in SERVICES
        command = " ".join(map(str, SERVICES[name].get("command", [])))
        assert str(at) in command or (name, at) in {("postgres", 5432), ("s3", 7070)}, f"{name}:{at}"
    assert "--port :7070" in (INFRA / "versitygw.Dockerfile").read_text()


def test_one_version_everywhere():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == VERSION
    images = {service["image"] for service in SERVICES.values() if service["image"].startswith("lakebed:")}
    assert images == {f"lakebed:{VERSION}"}
    built = re.search(r"versitygw@v([\d.]+)", (INFRA / "versitygw.Dockerfile").read_text())
    assert SERVICES["s3"]["image"] == f"lakebed-versitygw:{built[1]}"


def test_the_pool_is_that_of_the_deployments():
    if not (ROOT / "flows" / "deployments.py").exists():
        pytest.skip("flows/deployments.py is not there yet")
    assert VALUES["worker"]["workPool"] == importlib.import_module("lakebed.flows.deployment_limits").POOL


def test_secrets_of_the_compose_file_are_the_tests():
    assert set(re.findall(r"\$\{(\w+):\?", EVERYTHING)) == SECRETS.keys()

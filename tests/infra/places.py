"""What infra/ says, read for the tests: the Dockerfile's instructions, the compose file, the chart as rendered."""

import json
import os
import re
import subprocess

import yaml

from tests.docs.pages import ROOT
from tests.services.machine import require_go_module, require_go_tool

INFRA = ROOT / "infra"
CHART = INFRA / "helm" / "lakebed"
IMAGE_ROOT = "/opt/lakebed"
HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
COMPOSE = "github.com/docker/compose/v2@v2.40.3"
KUBERNETES = "1.34.0"
SECRETS = {"POSTGRES_PASSWORD": "one", "S3_ACCESS_KEY": "two", "S3_SECRET_KEY": "three", "LAKE": "./lake"}


def instructions(path):
    """The instructions of a Dockerfile: (word, rest), continued lines joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line.strip()]


def stages(path):
    """Name of a Dockerfile's stage → its instructions, in order; what stands before the first is under ""."""
    found, current = {"": []}, ""
    for word, rest in instructions(path):
        if word == "FROM":
            current = rest.rpartition(" AS ")[2]
            found[current] = []
        found[current].append((word, rest))
    return found


def image_environment():
    """The variables that the image sets."""
    text = " ".join(rest for word, rest in stages(INFRA / "Dockerfile")["lakebed"] if word == "ENV")
    return dict(pair.split("=", 1) for pair in text.split())


def compose(*arguments, secrets=SECRETS):
    """`docker compose` by itself, without an engine."""
    program = require_go_module("docker-compose", COMPOSE, "cmd")
    command = [program, "-f", str(INFRA / "compose.yaml"), *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **secrets}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def compose_services():
    """The services of the compose file, read without the tool; merges are done, variables are not filled in."""
    return yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]


def helm(*arguments):
    program = require_go_tool("helm", HELM)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=120)


def rendered(chart=CHART, **values):
    """A chart's resources by kind, of two of a kind the first; values by dotted name, `__` for the dot."""
    return {found["kind"]: found for found in reversed(all_rendered(chart, **values))}


def all_rendered(chart=CHART, **values):
    """A chart's resources; the values as above."""
    given = {"lake.claim": "lake"} | {name.replace("__", "."): value for name, value in values.items()}
    options = [part for name, value in given.items() for part in ("--set-json", f"{name}={json.dumps(value)}")]
    done = helm("template", "test", str(chart), "--namespace", "data", "--kube-version", KUBERNETES, *options)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def pod_of(resource):
    """The pod of a deployment, a job or a cron job."""
    spec = resource["spec"]
    spec = spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec
    return spec["template"]["spec"]

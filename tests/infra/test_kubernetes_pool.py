"""The base job template of a Kubernetes work pool, rendered as Prefect's worker does, held to Kubernetes' schema."""

import json
import re

import jsonschema
import kubernetes_validate
import pytest
from prefect.utilities.templating import apply_values

from tests.infra.places import INFRA, KUBERNETES

TEMPLATE = json.loads((INFRA / "kubernetes-pool.json").read_text())
CONFIGURATION, VARIABLES = TEMPLATE["job_configuration"], TEMPLATE["variables"]
# of the pod in Prefect's own manifest, which its worker asks for; Kubernetes has them in the job and ignores them here
OF_PREFECT = {"parallelism": 1, "completions": 1}


def rendered(**values):
    """The job, after Prefect has put in the variables and made a list of `env`."""
    defaults = {name: one["default"] for name, one in VARIABLES["properties"].items() if "default" in one}
    given = {"name": "tidy-owl", "labels": {"prefect.io/flow-run-id": "1"}, "env": {"A": "b"}, "command": "prefect x"}
    found = apply_values(CONFIGURATION, {**defaults, **given, "image": "lakebed:1", **values})
    job = found["job_manifest"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": name, "value": value} for name, value in container["env"].items()]
    container["args"] = container["args"].split()
    return job


def test_the_job_is_valid_to_kubernetes_and_to_prefect():
    job = rendered()
    pod = job["spec"]["template"]["spec"]
    assert {name: pod.pop(name) for name in OF_PREFECT} == OF_PREFECT
    kubernetes_validate.validate(job, KUBERNETES, strict=True)
    assert (pod["restartPolicy"], pod["containers"][0]["name"]) == ("Never", "prefect-job")
    # a run is not started a second time by Kubernetes: the next one resumes it
    assert job["spec"]["backoffLimit"] == 0


def test_claims_are_added_by_variables():
    lake = {"name": "lake", "persistentVolumeClaim": {"claimName": "lake", "readOnly": True}}
    defaults = VARIABLES["properties"]
    volumes = [*defaults["volumes"]["default"], lake]
    mounts = [*defaults["volume_mounts"]["default"], {"name": "lake", "mountPath": "/lake", "readOnly": True}]
    job = rendered(volumes=volumes, volume_mounts=mounts, memory="12Gi", credentials="store")
    pod = job["spec"]["template"]["spec"]
    for name in OF_PREFECT:
        del pod[name]
    kubernetes_validate.validate(job, KUBERNETES, strict=True)
    (container,) = pod["containers"]
    assert (
        container["resources"]["limits"]["memory"] == "12Gi" and container["volumeMounts"][-1]["mountPath"] == "/lake"
    )
    assert container["envFrom"] == [{"secretRef": {"name": "store"}}]


def test_pods_are_confined_and_write_only_where_the_image_needs_it():
    pod = rendered()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsUser"] == 10001 and pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/home/lakebed"}


def test_every_variable_is_used_described_and_of_its_own_schema():
    jsonschema.Draft202012Validator.check_schema(VARIABLES)
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(CONFIGURATION)))
    assert used == VARIABLES["properties"].keys()
    for name, one in VARIABLES["properties"].items():
        assert one["description"], name
        if "default" in one:
            jsonschema.validate(one["default"], one)
    with pytest.raises(jsonschema.ValidationError, match="image"):
        jsonschema.validate({}, VARIABLES)

"""The Helm chart: linted and rendered by Helm itself, each resource held to Kubernetes' schema."""

import json
import shutil
import tomllib

import kubernetes_validate
import pytest

from tests.infra.places import CHART, KUBERNETES, helm, pod_of, rendered

pytestmark = [pytest.mark.heavy, pytest.mark.long]
OBJECT_STORE = {"lake__root": "s3://data/lake", "artifacts__root": "s3://data/lakebed", "lake__claim": ""}
CRON = {"worker__enabled": False, "cronJob__enabled": True}


def test_lint_finds_nothing():
    done = helm("lint", "--strict", "--kube-version", KUBERNETES, "--set", "lake.claim=lake", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout and "ERROR" not in done.stdout


@pytest.mark.parametrize("values", [{}, CRON, OBJECT_STORE, {**OBJECT_STORE, **CRON}, {"cronJob__enabled": True}])
def test_every_resource_is_valid(values):
    resources = rendered(**values)
    for resource in resources.values():
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    is_local = "artifacts__root" not in values
    assert ("PersistentVolumeClaim" in resources) == is_local
    assert ("Deployment" in resources) == values.get("worker__enabled", True)
    assert ("CronJob" in resources) == values.get("cronJob__enabled", False)


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_pods_are_confined(kind):
    pod = pod_of(rendered(cronJob__enabled=True)[kind])
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["resources"]["limits"]["memory"] == "6Gi"
    places = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert {"/tmp", "/home/lakebed", "/etc/lakebed", "/lake", "/var/lib/lakebed/artifacts"} == places.keys()
    assert places["/lake"] and places["/etc/lakebed"] and not places["/tmp"]


def test_secrets_are_referred_to_never_written():
    resources = rendered(secrets=["store"], **{"prefect__secret": "prefect-auth"}, cronJob__enabled=True)
    (container,) = pod_of(resources["Deployment"])["containers"]
    assert [source["secretRef"]["name"] for source in container["envFrom"]] == ["store", "prefect-auth"]
    (container,) = pod_of(resources["CronJob"])["containers"]
    assert [source["secretRef"]["name"] for source in container["envFrom"]] == ["store"]
    assert "Secret" not in resources


def test_the_configuration_is_what_was_given():
    text = '[spark]\nmaster = "local[4]"\n\n[containment]\nsemantics = "bag"\n'
    resources = rendered(config=text)
    assert tomllib.loads(resources["ConfigMap"]["data"]["lakebed.toml"]) == tomllib.loads(text)
    other = rendered()
    stamps = [made["Deployment"]["spec"]["template"]["metadata"]["annotations"] for made in (resources, other)]
    assert stamps[0]["checksum/config"] != stamps[1]["checksum/config"]


def test_the_worker_serves_with_its_schedule():
    def arguments(**values):
        return pod_of(rendered(**values)["Deployment"])["containers"][0]["args"]

    served = ["lakebed", "serve", "/etc/lakebed/lakebed.toml", "--pool", "lakebed"]
    assert arguments() == [*served, "--cron", "0 3 * * *", "--timezone", "Etc/UTC"]
    assert arguments(worker__schedule="", worker__arguments=["--to", "retention"]) == [*served, "--to", "retention"]


def test_one_run_at_a_time_and_artifacts_outlive_the_chart():
    resources = rendered(cronJob__enabled=True)
    assert resources["Deployment"]["spec"]["replicas"] == 1
    assert resources["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    assert resources["CronJob"]["spec"]["concurrencyPolicy"] == "Forbid"
    assert resources["PersistentVolumeClaim"]["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_network_policy_lets_nobody_in():
    policy = rendered()["NetworkPolicy"]["spec"]
    assert policy["ingress"] == [] and set(policy["policyTypes"]) == {"Ingress", "Egress"}
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {53, 4200, 443}
    assert "NetworkPolicy" not in rendered(networkPolicy__enabled=False)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"lake.claim": ""}, "lake.claim"),
        ({"lake.root": "somewhere"}, "/lake/root"),
        ({"prefect.apiUrl": "prefect"}, "/prefect/apiUrl"),
        ({"image.digest": "latest"}, "/image/digest"),
        ({"worker.schedule": "daily"}, "/worker/schedule"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_wrong_values_are_refused_by_name(values, told):
    given = {"lake.claim": "lake"} | values
    options = [part for name, value in given.items() for part in ("--set-json", f"{name}={json.dumps(value)}")]
    done = helm("template", "test", str(CHART), "--kube-version", KUBERNETES, *options)
    assert done.returncode != 0
    assert told in done.stderr


def test_notes_say_what_runs(tmp_path):
    # Helm shows notes after an install only: here they are rendered as a resource
    copy = tmp_path / "lakebed"
    shutil.copytree(CHART, copy)
    shutil.move(copy / "templates" / "NOTES.txt", copy)
    (copy / "templates" / "notes.yaml").write_text(
        'kind: Notes\nnotes: |\n{{ tpl (.Files.Get "NOTES.txt") . | indent 2 }}\n'
    )
    notes = rendered(copy)["Notes"]["notes"]
    assert "pool lakebed" in notes and "deployment/test-lakebed-worker" in notes and "read only" in notes
    assert "Both are on" in rendered(copy, cronJob__enabled=True)["Notes"]["notes"]
    assert "nothing runs" in rendered(copy, worker__enabled=False)["Notes"]["notes"]

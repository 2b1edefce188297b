"""The Helm chart: linted and rendered by Helm itself, each resource held to Kubernetes' schema."""

import json
import shutil
import tomllib

import kubernetes_validate
import pytest
import yaml

from tests.infra.places import CHART, IMAGE_ROOT, KUBERNETES, all_rendered, helm, pod_of, rendered

pytestmark = [pytest.mark.heavy, pytest.mark.long]
OBJECT_STORE = {"lake__root": "s3://data/lake", "artifacts__root": "s3://data/lakebed", "lake__claim": ""}
EXECUTORS = {"executors__enabled": True}
CRON = {"worker__enabled": False, "cronJob__enabled": True}


def test_lint_finds_nothing():
    done = helm("lint", "--strict", "--kube-version", KUBERNETES, "--set", "lake.claim=lake", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout and "ERROR" not in done.stdout


@pytest.mark.parametrize(
    "values",
    [
        {}, CRON, OBJECT_STORE, {**OBJECT_STORE, **CRON}, {"cronJob__enabled": True}, EXECUTORS,
        {**EXECUTORS, **OBJECT_STORE, "secrets": ["store"]}, {**EXECUTORS, **CRON}, {"networkPolicy__enabled": False},
        {"podDisruptionBudget__enabled": True}, {"serviceAccount__create": False}, {"worker__enabled": False},
    ],
)  # fmt: skip
def test_every_resource_is_valid(values):
    for resource in all_rendered(**values):
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
        if pod := resource.get("data", {}).get("pod.yaml"):
            kubernetes_validate.validate(yaml.safe_load(pod), KUBERNETES, strict=True)
    resources = rendered(**values)
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


def test_a_working_run_is_not_taken_for_a_dead_one():
    """The probe asks whether the worker polls: what a run needs of memory and time says nothing of that."""
    (container,) = pod_of(rendered()["Deployment"])["containers"]
    assert container["livenessProbe"]["exec"] == container["startupProbe"]["exec"]
    *program, address = container["livenessProbe"]["exec"]["command"]
    assert program == ["python", f"{IMAGE_ROOT}/infra/image/answers.py"] and address == "http://127.0.0.1:8080/health"
    # the process of a cron job's pod is the run itself
    (container,) = pod_of(rendered(**CRON)["CronJob"])["containers"]
    assert "livenessProbe" not in container


def test_executors_are_pods_with_the_drivers_roots_and_credentials_and_few_rights():
    resources = all_rendered(**EXECUTORS, secrets=["store"])
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in resources}
    role = by_name["Role", "test-lakebed-executors"]
    assert {name for rule in role["rules"] for name in rule["resources"]} == {"pods", "configmaps"}
    driver = pod_of(by_name["Deployment", "test-lakebed-worker"])
    assert driver["automountServiceAccountToken"]
    variables = {each["name"]: each.get("value") for each in driver["containers"][0]["env"]}
    conf = json.loads(variables["LAKEBED_SPARK__CONF"])
    assert variables["LAKEBED_SPARK__MASTER"].startswith("k8s://") and conf["spark.executor.instances"] == "2"
    assert conf["spark.driver.host"] == "$(POD_IP)" and {"POD_IP", "POD_NAME"} <= variables.keys()
    pod = yaml.safe_load(by_name["ConfigMap", "test-lakebed-executor"]["data"]["pod.yaml"])["spec"]
    (executor,) = pod["containers"]
    assert executor["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert {"/lake", "/var/lib/lakebed/artifacts"} <= {mount["mountPath"] for mount in executor["volumeMounts"]}
    assert not pod["automountServiceAccountToken"] and executor["securityContext"]["readOnlyRootFilesystem"]
    policy = by_name["NetworkPolicy", "test-lakebed"]["spec"]
    assert policy["ingress"][0]["from"] == policy["egress"][0]["to"]


def test_a_budget_keeps_the_worker_where_it_is():
    budget = rendered(podDisruptionBudget__enabled=True)["PodDisruptionBudget"]["spec"]
    deployment = rendered()["Deployment"]["spec"]
    assert budget["maxUnavailable"] == 0 and budget["selector"] == deployment["selector"]


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

    served = ["lakebed", "serve", "/etc/lakebed/lakebed.toml", "--pool", "lakebed", "--health"]
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

"""Every Prefect deployment, defined once: `lakebed serve` registers them, `infra/prefect.yaml` is written from them.

`python -m lakebed.flows.deployments > infra/prefect.yaml` writes that file; a test holds it to this module. Entry
points are module paths, so they work from an installed package in any folder. Importing it imports no Prefect.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from lakebed.chain import CHAIN
from lakebed.flows.deployment_limits import HEARTBEAT_S, POOL

TAG = "lakebed"
# begins the command of a run's record, before the id of its flow run
FLOW_COMMAND = ("prefect", "lakebed")
SCHEDULE_SLUG = "lakebed"
# where the config says `auto`
DEPLOYED_ENGINE = "spark"
HEARTBEAT = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S)}


@dataclass(frozen=True)
class Deployment:
    """One deployment.

    Attributes:
        name: within its flow.
        flow: name of the flow.
        entrypoint: module path of the flow's function.
        description: shown in the UI.
        parameters: what it sets beside the configuration.
        takes_config: whether its parameters are the sections of the configuration.
        is_scheduled: whether `--cron` and `--interval` are meant for it.
    """

    name: str
    flow: str
    entrypoint: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    takes_config: bool = True
    is_scheduled: bool = False

    def named(self, label: str) -> str:
        """Its name where several artifact roots are served: `chain-sales`."""
        return f"{self.name}-{label}" if label else self.name


def _only(stage: str, needs: tuple[str, ...]) -> Deployment:
    reads = f"; reads {', '.join(needs)}, which must be up to date" if needs else ""
    return Deployment(
        f"only-{stage}",
        "lakebed",
        "lakebed.flows.lake.lake_flow",
        f"Only the stage {stage}{reads}.",
        {"only": stage},
    )


DEPLOYMENTS = (
    Deployment(
        "chain",
        "lakebed",
        "lakebed.flows.lake.lake_flow",
        "The whole chain; what is up to date is reused. `to` ends it earlier.",
        is_scheduled=True,
    ),
    *(_only(stage.name, stage.requires) for stage in CHAIN),
    Deployment(
        "plan-with-approval",
        "lakebed-approval",
        "lakebed.flows.approval.approval_flow",
        "Plans what may be set aside, waits for a person's approval, applies.",
        takes_config=False,
    ),
)


def own_parameters() -> Mapping[str, Any]:
    """Those that this flow run's deployment was registered with; none where it is no deployment's run.

    A run's own parameters replace them key by key: whatever a section does not say would be lost.
    """
    from uuid import UUID

    from prefect import runtime
    from prefect.client.orchestration import get_client

    if not (deployment := runtime.deployment.id):
        return {}
    with get_client(sync_client=True) as client:
        return client.read_deployment(UUID(deployment)).parameters


def as_yaml() -> str:
    """The deployments as a file for `prefect deploy --all`; lake and artifact root come from the environment."""
    import yaml

    check = {"lakebed.flows.deployments.require_variables": {"requires": "lakebed"}}
    values: dict[str, Any] = {"name": "lakebed", "prefect-version": version("prefect"), "build": [check], "pull": []}
    values["deployments"] = [_yaml_facts(each) for each in DEPLOYMENTS]
    return _HEADER + yaml.safe_dump(values, sort_keys=False, width=110)


_HEADER = """\
# Written by `python -m lakebed.flows.deployments`; do not edit by hand. From any folder, with lakebed installed:
#   export LAKEBED_LAKE__ROOT=/data/lake LAKEBED_ARTIFACTS=/data/lakebed
#   prefect work-pool create lakebed --type process
#   prefect work-queue create lakebed --pool lakebed --limit 1
#   prefect deploy --all --prefect-file prefect.yaml
#   prefect worker start --pool lakebed --work-queue lakebed
# The queue's limit is what keeps runs on one artifact root apart: one queue a root. Entry points are module paths
# (`pull: []`: the code is the installed package, and nothing is fetched).
"""
_VARIABLES = ("LAKEBED_LAKE__ROOT", "LAKEBED_ARTIFACTS")
_SCHEDULES = (
    {"slug": SCHEDULE_SLUG, "cron": "0 3 * * *", "timezone": "UTC", "active": True},
    {"slug": "lakebed-interval", "interval": 21_600, "active": False},
)


def require_variables() -> dict[str, str]:
    """A step of `prefect deploy`, before anything is registered: what is not set would be deployed as an empty text.

    Raises: SystemExit: naming the variables; an exception would be shown as a fault of the step.
    """
    if missing := [name for name in _VARIABLES if not os.environ.get(name, "").strip()]:
        raise SystemExit(f"nothing is deployed: set {' and '.join(missing)}, then run prefect deploy again")
    return {}


def _yaml_facts(deployment: Deployment) -> dict[str, Any]:
    lake, artifacts = (f"{{{{ ${name} }}}}" for name in _VARIABLES)
    given: dict[str, Any] = {"artifacts": artifacts}
    if deployment.takes_config:
        given = {"lake": {"root": lake}, "engine": DEPLOYED_ENGINE, **given}
    facts: dict[str, Any] = {
        "name": deployment.name,
        "description": deployment.description,
        "entrypoint": deployment.entrypoint,
        "tags": [TAG],
        "parameters": {**given, **deployment.parameters},
        "work_pool": {"name": POOL, "work_queue_name": POOL, "job_variables": {"env": dict(HEARTBEAT)}},
    }
    if deployment.is_scheduled:
        facts["schedules"] = [dict(schedule) for schedule in _SCHEDULES]
    return facts


if __name__ == "__main__":
    sys.stdout.write(as_yaml())

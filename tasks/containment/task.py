"""The containment stage as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import run_containment
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace


@task(name="containment", retries=2, retry_delay_seconds=5, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_containment(inventory: ArtifactRef, workspace: Workspace, config: ContainmentConfig) -> ArtifactRef:
    """Reuses or builds the artifact; tried again only after a transient error."""
    return run_containment(inventory, workspace, config)

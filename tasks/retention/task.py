"""The retention stage as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.stage import run_retention
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace


@task(name="retention", retries=2, retry_delay_seconds=5, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_retention(
    inventory: ArtifactRef,
    containment: ArtifactRef,
    workspace: Workspace,
    config: RetentionConfig,
    containment_config: ContainmentConfig,
    relations: ArtifactRef | None = None,
) -> ArtifactRef:
    """Reuses or builds the artifact; tried again only after a transient error."""
    return run_retention(inventory, containment, workspace, config, containment_config, relations)

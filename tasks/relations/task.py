"""The relations stage as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.stage import run_relations
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace


@task(name="relations", retries=2, retry_delay_seconds=5, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_relations(
    inventory: ArtifactRef,
    containment: ArtifactRef,
    workspace: Workspace,
    config: RelationsConfig,
    containment_config: ContainmentConfig,
) -> ArtifactRef:
    """Reuses or builds the artifact; tried again only after a transient error."""
    return run_relations(inventory, containment, workspace, config, containment_config)

"""The lakegraph stage as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.stage import run_lakegraph
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace


@task(name="lakegraph", retries=2, retry_delay_seconds=5, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_lakegraph(inventory: ArtifactRef, workspace: Workspace, config: LakeGraphConfig) -> ArtifactRef:
    """Reuses or builds the artifact; tried again only after a transient error."""
    return run_lakegraph(inventory, workspace, config)

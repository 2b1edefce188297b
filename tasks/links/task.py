"""The links stage as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.stage import run_links
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace


@task(name="links", retries=2, retry_delay_seconds=5, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_links(lakegraph: ArtifactRef, workspace: Workspace, config: LinksConfig) -> ArtifactRef:
    """Reuses or builds the artifact; tried again only after a transient error."""
    return run_links(lakegraph, workspace, config)

"""The summary stage as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.stage import run_summary


@task(name="summary", retries=2, retry_delay_seconds=5, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_summary(graph: ArtifactRef, workspace: Workspace, config: SummaryConfig) -> ArtifactRef:
    """Reuses or builds the artifact; tried again only after a transient error."""
    return run_summary(graph, workspace, config)

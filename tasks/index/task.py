"""The index stage as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.stage import run_index
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace


@task(name="index", retries=2, retry_delay_seconds=5, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_index(
    lakegraph: ArtifactRef,
    embeddings: ArtifactRef,
    workspace: Workspace,
    config: IndexConfig,
    links: ArtifactRef | None = None,
) -> ArtifactRef:
    """Reuses or builds the artifact; tried again only after a transient error."""
    return run_index(lakegraph, embeddings, workspace, config, links)

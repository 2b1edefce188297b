"""The embeddings stage as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.stage import run_embeddings
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace


@task(name="embeddings", retries=2, retry_delay_seconds=5, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_embeddings(
    lakegraph: ArtifactRef, summary: ArtifactRef | None, workspace: Workspace, config: EmbeddingsConfig
) -> ArtifactRef:
    """Reuses or builds the artifact; tried again only after a transient error."""
    return run_embeddings(lakegraph, summary, workspace, config)

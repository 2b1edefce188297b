"""The inventory as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import run_inventory
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.transient import is_transient
from lakebed.tasks.runtime.workspace import Workspace


@task(name="inventory", retries=2, retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_inventory(workspace: Workspace, config: InventoryConfig) -> ArtifactRef:
    """The inventory of the workspace's lake."""
    return run_inventory(workspace, config)

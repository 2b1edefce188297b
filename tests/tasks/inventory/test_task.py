from lakebed.tasks.inventory.task import build_inventory
from lakebed.tasks.runtime.transient import is_transient


def test_only_transient_failures_are_tried_again_and_prefect_caches_nothing() -> None:
    assert build_inventory.name == "inventory"
    assert (build_inventory.retries, build_inventory.retry_condition_fn) == (2, is_transient)
    assert build_inventory.cache_policy is not None
    assert build_inventory.cache_policy.compute_key(None, {}, {}) is None  # type: ignore[arg-type]

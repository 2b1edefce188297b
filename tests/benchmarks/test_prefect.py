"""The benchmark's own arithmetic, and that it measures the same stages both ways."""

import pytest

from tests.benchmarks.prefect import overhead, without_tasks


def test_overhead_is_a_share_of_the_flow():
    figures = overhead([9.0, 8.0, 10.0], [10.0, 10.0, 10.0])
    assert (figures["direct_s"], figures["flow_s"], figures["share_of_medians"]) == (9.0, 10.0, 0.1)
    assert figures["shares"] == [0.1, 0.2, 0.0]
    assert figures["median_of_shares"] == 0.1


@pytest.mark.flow
def test_every_stage_is_called_without_its_task():
    import lakebed.tasks.index.task
    import lakebed.tasks.inventory.task

    task = lakebed.tasks.inventory.task.build_inventory
    with without_tasks():
        assert lakebed.tasks.inventory.task.build_inventory is task.fn
        assert not hasattr(lakebed.tasks.index.task.build_index, "fn")
    assert lakebed.tasks.inventory.task.build_inventory is task

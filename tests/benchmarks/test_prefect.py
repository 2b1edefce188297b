"""The benchmark's own arithmetic, and that it measures the same stages both ways."""

import pytest

from lakebed.tasks.runtime.definition import run_stage
from tests.benchmarks.prefect import overhead, timed_stages


def test_overhead_is_a_share_of_the_flow():
    figures = overhead([9.0, 8.0, 10.0], [10.0, 10.0, 10.0])
    assert (figures["direct_s"], figures["flow_s"], figures["share_of_medians"]) == (9.0, 10.0, 0.1)
    assert figures["shares"] == [0.1, 0.2, 0.0]
    assert figures["median_of_shares"] == 0.1


@pytest.mark.flow
def test_the_same_function_is_timed_both_ways():
    from lakebed import run
    from lakebed.flows.lake import TASKS

    with timed_stages():
        assert {task.fn for task in TASKS.values()} == {run.run_stage}
        assert run.run_stage is not run_stage
    assert {task.fn for task in TASKS.values()} == {run_stage} == {run.run_stage}

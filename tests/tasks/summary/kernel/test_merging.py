"""The schedule of rounds, and the log of merges."""

import numpy as np
import pytest

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.merging import MergeLog, next_iteration, threshold


@pytest.mark.parametrize(("iterations", "n_final"), [(1, 1), (5, 1), (12, 2), (20, 3), (50, 3)])
def test_final_rounds_take_every_saving(iterations: int, n_final: int) -> None:
    config = SummaryConfig(iterations=iterations)
    found = [threshold(t, config) for t in range(1, iterations + 2)]
    assert found == [1 / (1 + t) for t in range(1, iterations - n_final + 1)] + [0.0] * (n_final + 1)


def test_rounds_follow_until_the_last() -> None:
    config = SummaryConfig(iterations=2, extra_iterations=1)
    log, ids = MergeLog.none(), np.zeros(1, np.int32)
    seen = []
    while (iteration := next_iteration(log, config)) is not None:
        seen.append(iteration)
        log = log.extended(ids, ids, 10)
    assert seen == [1, 2, 3]
    assert log.ends.tolist() == [1, 2, 3]
    assert next_iteration(MergeLog(ids, ids, np.array([1, 1]), np.array([5, 5])), config) == 3
    spent = config.model_copy(update={"work_budget": 10})
    assert next_iteration(MergeLog(ids, ids, np.array([1, 1]), np.array([5, 5])), spent) is None

"""How long the first tasks of a cluster's session are waited for: `tests/cluster` has the real ones."""

import pytest

from lakebed.connectors.errors import StageError
from lakebed.connectors.spark.cluster import FirstTasks


def seen(*, to, timeout_s=300.0, still_s=1.5, n_executors=lambda now: 1, answered=None):
    """The second at which the wait is over, looked at every tenth of one; None where it is not by then."""
    tasks = FirstTasks("spark://host:7077", timeout_s, still_s, 0.0)
    for tenth in range(to * 10):
        now = tenth / 10
        if tasks.is_over(now, n_executors(now), answered is not None and now >= answered):
            return now
    return None


@pytest.mark.parametrize("first", [3, 40, 250])
def test_executors_that_come_within_a_moment_of_the_first_are_waited_for_however_late_that_is(first):
    def coming(now):
        return 0 if now < first else min(4, 1 + int(now - first))

    # the last comes three seconds after the first, whose task had ended before
    over = seen(to=400, n_executors=coming, answered=first + 0.5)
    assert first + 3 + 1.5 < over < first + 3 + 2


def test_executors_that_come_again_and_again_end_the_wait_in_time():
    assert 20 < seen(to=60, n_executors=int, answered=5.0) < 5 + 15.5


def test_a_failure_is_over_at_once_where_their_number_stands_still():
    assert seen(to=30, answered=10.0) == 10.0
    assert seen(to=30, answered=10.0, n_executors=lambda now: 0, still_s=0.0) == 10.0


def test_no_executor_ends_the_wait():
    with pytest.raises(StageError, match="no executor of the cluster ran a task"):
        seen(to=400, n_executors=lambda now: 0)


def test_executors_that_come_and_are_lost_over_and_over_end_the_wait():
    """Each time for five seconds, after ten without any."""
    with pytest.raises(StageError, match="no executor of the cluster ran a task"):
        seen(to=100, timeout_s=60, n_executors=lambda now: int(now % 15 > 10))


def test_executors_that_end_no_task_end_the_wait():
    assert seen(to=890) is None
    with pytest.raises(StageError, match="do not end their first tasks") as caught:
        seen(to=910)
    assert "900 s on spark://host:7077" in caught.value.value
    assert seen(to=1490, timeout_s=1500) is None

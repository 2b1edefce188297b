"""Work in parts."""

import pytest

from lakebed.tasks.summary.kernel.threads import spread, start_threads


@pytest.mark.parametrize("n", [0, 1, 10, 1_000, 1_003])
def test_parts_cover_the_range_in_order(n: int) -> None:
    with start_threads(3) as threads:
        found = spread(threads, n, lambda a, b: list(range(a, b)), least=10)
    assert [i for _, part in found for i in part] == list(range(n))
    assert [start for start, _ in found] == [part[0] for _, part in found]


def test_little_work_is_one_part() -> None:
    with start_threads(0) as threads:
        assert spread(threads, 9, lambda a, b: (a, b), least=10) == [(0, (0, 9))]

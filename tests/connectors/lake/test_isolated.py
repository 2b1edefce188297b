import os

import pytest

from lakebed.connectors.lake import isolated
from lakebed.connectors.lake.isolated import isolated_map


@pytest.mark.parametrize("n_processes", [1, 3])
def test_results_come_in_order_and_a_death_costs_one_item(n_processes: int) -> None:
    def work(item: int) -> tuple[int, bytes]:
        if item % 7 == 3:
            os.abort()
        return item, b"x" * 50_000

    found = isolated_map(work, range(20), n_processes, lambda item: (-item, b""))
    assert [number for number, _ in found] == [-item if item % 7 == 3 else item for item in range(20)]


def test_nothing_to_do_and_a_child_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isolated_map(abs, [], 2, abs) == []
    monkeypatch.setattr(isolated, "STALL_S", 0.3)
    wait, other = os.pipe()
    assert isolated_map(lambda item: os.read(wait, 1) if item else b"", [0, 1, 0], 1, lambda _: b"gone") == [
        b"", b"gone", b"",
    ]  # fmt: skip
    os.close(wait)
    os.close(other)

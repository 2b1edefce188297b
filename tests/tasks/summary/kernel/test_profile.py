"""Levels, and what a summary will cost."""

import numpy as np
import pytest

from lakebed.connectors.errors import GraphError
from lakebed.connectors.memory import Memory
from lakebed.tasks.summary import build
from lakebed.tasks.summary.kernel import encoding
from lakebed.tasks.summary.kernel.model import SignedEdges, Summary
from lakebed.tasks.summary.kernel.profile import level_profile


def test_levels_of_a_small_forest() -> None:
    parent = np.array([4, 4, 5, -1, 5, -1], np.int32)
    edges = SignedEdges(np.array([0, 3], np.int32), np.array([2, 5], np.int32), np.array([-1, 1], np.int8))
    found = level_profile(Summary(4, parent, edges))
    assert found.level.tolist() == [0, 1, 2]
    assert found.n_vertices.tolist() == [1, 1, 2]
    assert found.n_internal.tolist() == [1, 1, 0]
    assert found.n_plus.tolist() == [2, 0, 0]
    assert found.n_minus.tolist() == [0, 1, 1]


def test_an_empty_graph_has_no_levels() -> None:
    empty = np.empty(0, np.int32)
    found = level_profile(Summary(0, empty, SignedEdges(empty, empty, np.empty(0, np.int8))))
    assert len(found.level) == len(found.n_plus) == 0


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores in (1, 3):
        monkeypatch.setattr(encoding, "usable_cores", lambda cores=cores: cores)
        work = (cores - 1) * 60 * 1_000
        assert build.require_memory(1_000, 10_000).total_bytes == 158 * 10_000 + 128 * 1_000 + work
    monkeypatch.setattr(build, "usable_memory", lambda: Memory(1_000_000, 1_000_000, is_limited=True))
    with pytest.raises(GraphError, match="too large") as caught:
        build.require_memory(1_000, 10_000)
    assert "local_max_edges" in caught.value.hint

"""The summary's section, from a real artifact."""

from pathlib import Path

import numpy as np
import pytest

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Charts, Listing, Tiles
from lakebed.tasks.report.sections.summary import TOP_NODES, section, top_of_forest
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.stage import SUMMARY
from tests.tasks.summary.conftest import N_NODES, publish_graph, workspace_at


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, dict[str, object]]:
    workspace = workspace_at(Path(tmp_path_factory.mktemp("summary")))
    ref = run_stage(SUMMARY, Inputs.of(workspace, publish_graph(workspace), SummaryConfig(iterations=4)))
    store = ArtifactStore(workspace.artifacts)
    return section(store, {"summary": ref}, ReportConfig()), store.manifest(ref).summary


def test_figures_are_those_of_the_artifact(found: tuple[object, dict[str, object]]) -> None:
    shown, facts = found
    tiles, charts, listing = shown.blocks  # type: ignore[attr-defined]
    assert isinstance(tiles, Tiles)
    assert [tile.value for tile in tiles.tiles][:2] == [
        f"{facts['ratio']:.3f}",
        f"{facts['n_edges']:,} → {facts['cost']:,}",
    ]
    assert isinstance(charts, Charts)
    assert all(chart.spec for chart in charts.charts)
    assert isinstance(listing, Listing)
    assert sum(int(row[1].replace(",", "")) for row in listing.rows) == N_NODES


def test_top_of_a_small_forest() -> None:
    #      8
    #   6     7      9
    # 0 1   2 3     4 5
    parent = np.array([6, 6, 7, 7, 9, 9, 8, 8, -1, -1])
    found = {(one["level"], one["from"], one["to"]) for one in top_of_forest(parent, 6)}
    assert found == {
        (0, 0, 4),
        (0, 4, 6),
        (1, 0, 2),
        (1, 2, 4),
        (1, 4, 5),
        (1, 5, 6),
        (2, 0, 1),
        (2, 1, 2),
        (2, 2, 3),
        (2, 3, 4),
    }


def test_a_graph_without_trees_and_one_with_many() -> None:
    assert top_of_forest(np.full(5, -1), 5) == []
    parent = np.append(np.full(2_000, 2_000), -1)
    assert len(top_of_forest(parent, 2_000)) == TOP_NODES

"""The link predictor's section, from real artifacts."""

import pytest

from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Charts, Listing, Prose, Tiles
from lakebed.tasks.report.sections.links import decile_chart, section
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import run_stage
from tests.tasks.links.artifacts import links_inputs, publish_lake_graph, workspace


def made(folder, tables=None):
    space = workspace(folder)
    ref = run_stage(LINKS, links_inputs(space, publish_lake_graph(space, tables)))
    store = ArtifactStore(space.artifacts)
    return store, ref, section(store, {"links": ref}, ReportConfig())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return made(tmp_path_factory.mktemp("links"))


def test_figures_are_those_of_the_artifact(found):
    store, ref, shown = found
    tiles, ladder, hard, charts, missing, note = shown.blocks
    facts = store.manifest(ref).summary
    assert isinstance(tiles, Tiles) and isinstance(note, Prose)
    assert tiles.tiles[0].value == f"{facts['auc']:.3f}"
    assert isinstance(ladder, Listing)
    every = store.read(ref, "rungs").to_pylist()
    rungs = [row for row in every if row["setting"] == "random"]
    of_hard = [f"{row['value']:.3f}" for row in every if row["setting"] == "hard" and row["rung"] == "stack"]
    assert hard.rows[-1][1:] == tuple(of_hard)
    assert [row[0].replace(" ", "_") for row in ladder.rows] == list(dict.fromkeys(row["rung"] for row in rungs))
    stack = {row["metric"]: f"{row['value']:.3f}" for row in rungs if row["rung"] == "stack"}
    assert ladder.rows[-1][1:] == tuple(stack.values())
    assert isinstance(charts, Charts)
    assert charts.charts[0].spec
    assert isinstance(missing, Listing)
    assert missing.n_all == store.read(ref, "predictions").num_rows


def test_why_there_is_no_predictor(tmp_path):
    _, _, shown = made(tmp_path, {"a": {"x": [1, 2]}, "b": {"y": [5]}})
    assert len(shown.blocks) == 1
    assert "share values" in shown.blocks[0].text


def test_nothing_measured_is_no_chart():
    assert (
        decile_chart([{"decile": 0, "recall_mean": None, "n_measured": 0, "atc_mean": 0.1}], "recall_mean", "") is None
    )

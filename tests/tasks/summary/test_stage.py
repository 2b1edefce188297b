"""The stage: what it publishes, what it reuses, and what a killed run leaves behind."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lakebed.connectors.errors import StageError
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary import build
from lakebed.tasks.summary.checkpoint import Checkpoint
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.contract import ARRAYS
from lakebed.tasks.summary.export import load_arrays
from lakebed.tasks.summary.kernel.merging import MergeLog
from lakebed.tasks.summary.stage import SUMMARY
from tests.tasks.summary.conftest import N_NODES, edges, publish_graph, workspace_at

KILLED = """
import os, signal, sys
from pathlib import Path
from lakebed.tasks.summary import build
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.stage import SUMMARY
from lakebed.tasks.runtime.definition import Inputs, run_stage
from tests.tasks.summary.conftest import publish_graph, workspace_at

real = build.Checkpoint.save
def save(self, log):
    if len(log.ends) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, log)
build.Checkpoint.save = save
workspace = workspace_at(Path(sys.argv[1]))
run_stage(SUMMARY, Inputs.of(workspace, publish_graph(workspace), SummaryConfig()))
"""


def test_published_tables_and_arrays(workspace: Workspace, graph: ArtifactRef) -> None:
    ref = run_stage(SUMMARY, Inputs.of(workspace, graph, SummaryConfig()))
    store = ArtifactStore(workspace.artifacts)
    facts = store.manifest(ref).summary
    summary = load_arrays(store.folder(ref.stage, ref.key), N_NODES)
    np.testing.assert_array_equal(summary.decode(), edges())
    forest, signed = store.read(ref, "forest").to_pandas(), store.read(ref, "signed_edges").to_pandas()
    forest, signed = forest.sort_values("node"), signed.sort_values(["source", "target"])
    np.testing.assert_array_equal(forest["parent"], summary.parent)
    np.testing.assert_array_equal(signed["sign"], summary.signed_edges.sign)
    assert facts["cost"] == summary.cost() == facts["p_edges"] + facts["n_minus_edges"] + facts["h_edges"]
    assert (facts["n_nodes"], facts["n_edges"], facts["is_lossless"]) == (N_NODES, len(edges()), True)
    levels = store.read(ref, "levels").to_pydict()
    assert sum(levels["n_vertices"]) == N_NODES
    assert sum(levels["n_plus"]) == 2 * facts["p_edges"]
    assert set(store.manifest(ref).files) == set(ARRAYS.values())


def test_reuse_and_what_the_key_depends_on(workspace: Workspace, graph: ArtifactRef) -> None:
    ref = run_stage(SUMMARY, Inputs.of(workspace, graph, SummaryConfig(threads=1)))
    again = SUMMARY.open(Inputs.of(workspace, graph, SummaryConfig(threads=2, local_max_edges=0)))
    assert again.reuse() == ref
    assert SUMMARY.open(Inputs.of(workspace, graph, SummaryConfig(seed=1))).key != again.key


def test_killed_in_an_iteration_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = workspace_at(tmp_path / "killed")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "killed")], check=False)
    assert done.returncode == -9
    left = list((tmp_path / "killed").rglob("merges.npz"))
    assert len(left) == 1
    resumed, saved = _run_counted(killed, monkeypatch)
    assert saved == list(range(8, 21)), "seven iterations were kept"
    whole, saved = _run_counted(workspace_at(tmp_path / "whole"), monkeypatch)
    assert saved == list(range(1, 21))
    assert resumed == whole
    assert not list(tmp_path.rglob("merges.npz"))


def _run_counted(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> tuple[ArtifactRef, list[int]]:
    saved = []
    real = Checkpoint.save

    def save(self: Checkpoint, log: MergeLog) -> None:
        saved.append(len(log.ends))
        real(self, log)

    with monkeypatch.context() as patch:
        patch.setattr(build.Checkpoint, "save", save)
        return run_stage(SUMMARY, Inputs.of(workspace, publish_graph(workspace), SummaryConfig())), saved


def test_a_wrong_summary_is_not_published(
    workspace: Workspace, graph: ArtifactRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = build.summarize_graph

    def wrong(*arguments: object) -> object:
        summary = real(*arguments)  # type: ignore[arg-type]
        summary.signed_edges.sign[0] *= -1
        return summary

    monkeypatch.setattr(build, "summarize_graph", wrong)
    with pytest.raises(StageError, match="does not decode"):
        run_stage(SUMMARY, Inputs.of(workspace, graph, SummaryConfig()))
    assert SUMMARY.open(Inputs.of(workspace, graph, SummaryConfig())).reuse() is None


@pytest.mark.spark
def test_spark_makes_the_same_artifact(workspace: Workspace, graph: ArtifactRef, tmp_path: Path, spark: object) -> None:
    config = SummaryConfig(iterations=2)
    local = run_stage(SUMMARY, Inputs.of(workspace, graph, config))
    other = workspace_at(tmp_path / "spark")
    assert (
        run_stage(SUMMARY, Inputs.of(other, publish_graph(other), config.model_copy(update={"local_max_edges": 10})))
        == local
    )

"""Edge files by themselves: out and back, stopped and resumed."""

from pathlib import Path

import numpy as np
import pytest

from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.tasks.summary import build
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.export import StoredSummary, edge_text, load, to_scipy, write_graph
from lakebed.tasks.summary.files import EdgeFile, summarize_file
from tests.tasks.summary.graphs import planted_graph


@pytest.fixture
def edge_file(tmp_path: Path) -> str:
    edges = planted_graph(200, 7, seed=1)
    path = tmp_path / "edges.tsv"
    path.write_text("".join(f"n{u}\tn{v}\n" for u, v in edges))
    return str(path)


def lines(text: str) -> set[frozenset[str]]:
    return {frozenset(line.split("\t")) for line in text.splitlines()}


def test_out_and_back(tmp_path: Path, edge_file: str) -> None:
    made = summarize_file(EdgeFile(edge_file), SummaryConfig(), str(tmp_path / "out"))
    found = load(str(tmp_path / "out"))
    assert isinstance(found.summary.parent, np.memmap)
    assert found.facts == made.facts
    assert lines(edge_text(found)[0]) == lines(Path(edge_file).read_text())
    assert not (tmp_path / "out" / "merges.npz").exists()


def test_stopped_and_resumed(tmp_path: Path, edge_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = summarize_file(EdgeFile(edge_file), SummaryConfig())
    out = str(tmp_path / "out")
    save = build.Checkpoint.save

    def stop_at_seven(self: build.Checkpoint, log: build.MergeLog) -> None:
        save(self, log)
        if len(log.ends) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(build.Checkpoint, "save", stop_at_seven)
    with pytest.raises(KeyboardInterrupt):
        summarize_file(EdgeFile(edge_file), SummaryConfig(), out)
    assert (tmp_path / "out" / "merges.npz").exists()
    n_saved = []
    monkeypatch.setattr(build.Checkpoint, "save", lambda self, log: (n_saved.append(len(log.ends)), save(self, log)))
    resumed = summarize_file(EdgeFile(edge_file), SummaryConfig(), out)
    assert n_saved == list(range(8, 21))
    assert resumed.summary.parent.tobytes() == whole.summary.parent.tobytes()
    assert resumed.summary.signed_edges.source.tobytes() == whole.summary.signed_edges.source.tobytes()


def test_another_seed_does_not_resume(tmp_path: Path, edge_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(tmp_path / "out")
    monkeypatch.setattr(build.Checkpoint, "clear", lambda self: None)
    summarize_file(EdgeFile(edge_file), SummaryConfig(), out)
    n_saved = []
    monkeypatch.setattr(build.Checkpoint, "save", lambda self, log: n_saved.append(len(log.ends)))
    summarize_file(EdgeFile(edge_file), SummaryConfig(seed=1), out)
    assert n_saved[0] == 1
    n_saved.clear()
    summarize_file(EdgeFile(edge_file), SummaryConfig(threads=3), out)
    assert n_saved == [], "threads are no part of the identity"


def test_weights_beside(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("a,b,0.5\nb,c,2\n")
    summarize_file(EdgeFile(str(path), "keep"), SummaryConfig(), str(tmp_path / "out"))
    assert (tmp_path / "out" / "weights.parquet").is_file()


@pytest.fixture
def stored(edge_file: str) -> StoredSummary:
    return summarize_file(EdgeFile(edge_file), SummaryConfig(iterations=3))


def test_scipy(stored: StoredSummary) -> None:
    matrix = to_scipy(stored.summary)
    assert matrix.nnz == 2 * stored.facts["n_edges"]
    assert (matrix != matrix.T).nnz == 0
    assert matrix.shape == (len(stored.keys), len(stored.keys))


def test_written_graphs(tmp_path: Path, stored: StoredSummary) -> None:
    import networkx as nx
    from scipy import sparse

    n_edges = stored.facts["n_edges"]
    for name in ("a.tsv", "a.txt.gz", "a.graphml", "a.npz"):
        assert write_graph(stored, str(tmp_path / name)) == n_edges
    assert nx.read_graphml(tmp_path / "a.graphml").number_of_edges() == n_edges
    assert sparse.load_npz(tmp_path / "a.npz").nnz == 2 * n_edges
    with pytest.raises(ConfigError, match="format"):
        write_graph(stored, str(tmp_path / "a.doc"))


def test_unfinished_and_damaged_folders(tmp_path: Path, edge_file: str) -> None:
    with pytest.raises(ConfigError, match="no finished summary"):
        load(str(tmp_path))
    summarize_file(EdgeFile(edge_file), SummaryConfig(iterations=1), str(tmp_path / "out"))
    (tmp_path / "out" / "arrays" / "sign.npy").write_bytes(b"no array")
    with pytest.raises(ArtifactError, match="arrays"):
        load(str(tmp_path / "out"))

from pathlib import Path

import numpy as np
import pytest

from lakebed.connectors.errors import ConfigError, GraphError
from lakebed.tasks.embeddings.build import powers_stage
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.graph import prepare
from lakebed.tasks.embeddings.kernel.fastrp import embed
from lakebed.tasks.embeddings.kernel.orthogonal import embed_by_rounds
from lakebed.tasks.embeddings.stage import EMBEDDINGS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.stage import SUMMARY
from tests.tasks.embeddings.artifacts import N_NODES, publish_graph, tables, workspace

CONFIG = EmbeddingsConfig(dim=16, weights=(0.5, 1.0), threads=1, keep_powers=True)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return workspace(tmp_path)


def vectors_of(space: Workspace, ref: ArtifactRef) -> np.ndarray:
    table = ArtifactStore(space.artifacts).read(ref, "embeddings").sort_by("node_id")
    assert table["node_id"].to_pylist() == list(range(table.num_rows))
    return np.array(table["vector"].to_pylist(), np.float32)


def test_vectors_are_the_kernel_s(space: Workspace) -> None:
    ref = run_stage(EMBEDDINGS, Inputs.of(space, publish_graph(space), CONFIG))
    expected = embed(prepare(*tables(), None, CONFIG).graph, CONFIG)
    np.testing.assert_array_equal(vectors_of(space, ref), expected.vectors)
    facts = ArtifactStore(space.artifacts).manifest(ref).summary
    assert facts == {"nodes": N_NODES, "dim": 16, "way": "csr", "engine": "local", "isolated": 1, "cancelled": 0}


def test_it_is_reused_whatever_the_threads(space: Workspace) -> None:
    graph = publish_graph(space)
    ref = run_stage(EMBEDDINGS, Inputs.of(space, graph, CONFIG))
    many = CONFIG.model_copy(update={"threads": 2})
    assert EMBEDDINGS.open(Inputs.of(space, graph, many)).reuse() == ref
    assert EMBEDDINGS.open(Inputs.of(space, graph, CONFIG.model_copy(update={"seed": 1}))).reuse() is None


def test_other_weights_take_the_kept_powers(space: Workspace) -> None:
    graph, other = publish_graph(space), CONFIG.model_copy(update={"weights": (3.0, 0.25), "self_weight": 0.5})
    run_stage(EMBEDDINGS, Inputs.of(space, graph, CONFIG))
    kept = powers_stage(EMBEDDINGS.open(Inputs.of(space, graph, other)), other, is_local=True)
    assert kept.reuse() is not None
    path = Path(kept.folder) / "files" / "1.npy"
    changed = np.load(path) * 2
    np.save(path, changed)
    found = vectors_of(
        space, run_stage(EMBEDDINGS, Inputs.of(space, graph, other.model_copy(update={"normalize": False})))
    )
    fresh = embed(prepare(*tables(), None, other).graph, other.model_copy(update={"normalize": False})).vectors
    assert np.abs(found - fresh).max() > 1e-3


def test_kept_powers_give_the_same_bytes(space: Workspace, tmp_path: Path) -> None:
    graph, other = publish_graph(space), CONFIG.model_copy(update={"weights": (3.0, 0.25)})
    run_stage(EMBEDDINGS, Inputs.of(space, graph, CONFIG))
    again = run_stage(EMBEDDINGS, Inputs.of(space, graph, other))
    alone = workspace(tmp_path / "alone")
    first = run_stage(
        EMBEDDINGS, Inputs.of(alone, publish_graph(alone), other.model_copy(update={"keep_powers": False}))
    )
    assert again.digest == first.digest
    assert not (tmp_path / "alone" / "artifacts" / "powers").exists()


def test_powers_are_kept_on_request_alone_and_gc_leaves_the_newest(space: Workspace) -> None:
    from lakebed.gc import preview
    from lakebed.tasks.runtime.config import GcConfig

    assert not EmbeddingsConfig().keep_powers
    for dim in (8, 16):
        run_stage(EMBEDDINGS, Inputs.of(space, publish_graph(space), CONFIG.model_copy(update={"dim": dim})))
    folders = sorted(
        (Path(space.artifacts) / "powers").iterdir(), key=lambda path: (path / "manifest.json").stat().st_mtime_ns
    )
    gone = {one.path for one in preview(space.artifacts, GcConfig()).sweep.artifacts}
    assert f"powers/{folders[0].name}" in gone and f"powers/{folders[1].name}" not in gone


def test_a_summary_serves_where_it_is_cheaper_and_is_named(space: Workspace) -> None:
    graph = publish_graph(space)
    summary = run_stage(SUMMARY, Inputs.of(space, graph, SummaryConfig(threads=1)))
    ref = run_stage(EMBEDDINGS, Inputs.of(space, graph, summary, CONFIG))
    assert ArtifactStore(space.artifacts).manifest(ref).summary["way"] in ("summary", "csr")
    plain = vectors_of(space, run_stage(EMBEDDINGS, Inputs.of(space, graph, CONFIG)))
    np.testing.assert_allclose(vectors_of(space, ref), plain, atol=1e-4)


def test_weights_count_unless_told_otherwise(space: Workspace) -> None:
    graph = publish_graph(space, is_weighted=True)
    weighted = vectors_of(space, run_stage(EMBEDDINGS, Inputs.of(space, graph, CONFIG)))
    plain = run_stage(EMBEDDINGS, Inputs.of(space, graph, CONFIG.model_copy(update={"use_weights": False})))
    assert np.abs(weighted - vectors_of(space, plain)).max() > 1e-2


def test_an_empty_graph_is_refused(space: Workspace) -> None:
    with pytest.raises(GraphError, match="empty graph"):
        run_stage(EMBEDDINGS, Inputs.of(space, publish_graph(space, 0), CONFIG))


@pytest.mark.parametrize("wrong", [{"features": ("size",)}, {"edge_types": {"likes": 1.0}}])
def test_what_the_graph_lacks_is_named(space: Workspace, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as raised:
        run_stage(EMBEDDINGS, Inputs.of(space, publish_graph(space), CONFIG.model_copy(update=wrong)))
    assert "embeddings." in raised.value.hint


ROUNDS = EmbeddingsConfig(dim=16, method="orthogonal", orthogonal_rounds=6, threads=1)


def test_orthogonal_rounds_are_the_kernel_s_and_reused_by_what_counts_there(space: Workspace) -> None:
    graph = publish_graph(space)
    ref = run_stage(EMBEDDINGS, Inputs.of(space, graph, ROUNDS))
    expected = embed_by_rounds(prepare(*tables(), None, ROUNDS).graph, ROUNDS)
    np.testing.assert_array_equal(vectors_of(space, ref), expected.vectors)
    for same in ({"weights": (1.0,)}, {"degree_exponent": 0.0}, {"threads": 2}, {"keep_powers": True}):
        assert EMBEDDINGS.open(Inputs.of(space, graph, ROUNDS.model_copy(update=same))).reuse() == ref
    for other in ({"orthogonal_rounds": 7}, {"orthogonal_every": 2}, {"method": "fastrp"}, {"seed": 1}):
        assert EMBEDDINGS.open(Inputs.of(space, graph, ROUNDS.model_copy(update=other))).reuse() is None


def test_long_rounds_go_on_after_a_kill(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakebed.tasks.embeddings import build

    monkeypatch.setattr(build, "KEEP_ROUNDS_S", 0.0)
    graph = publish_graph(space)
    whole = vectors_of(space, run_stage(EMBEDDINGS, Inputs.of(space, graph, ROUNDS)))
    inputs = Inputs.of(space, graph, ROUNDS.model_copy(update={"seed": 0, "local_max_values": 1 << 29}))
    stage = EMBEDDINGS.open(inputs)
    place = build.rounds_folder(stage)
    numbers = []

    def killed(number: int, current: np.ndarray) -> None:
        keep(number, current)
        numbers.append(build.last_round(place)[0])
        if number == 4:
            raise KeyboardInterrupt

    keep = build._keep_round(place)
    with pytest.raises(KeyboardInterrupt):
        embed_by_rounds(prepare(*tables(), None, ROUNDS).graph, ROUNDS, killed)
    assert numbers == [1, 2, 3, 4] and len(place.list_files()) == 1
    np.testing.assert_array_equal(vectors_of(space, run_stage(EMBEDDINGS, inputs)), whole)
    assert build.last_round(place) is None
    # one that was damaged is not gone on from
    keep(5, whole * 2)
    (file,) = place.list_files()
    place.write_bytes_atomic(file.path, b"other bytes")
    assert build.last_round(place) is None

"""Nights: a summary that starts from the previous one, and all that makes it start from nothing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.config import IncrementalConfig
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.contract import ARRAYS
from lakebed.tasks.summary.export import load_arrays
from lakebed.tasks.summary.previous import MAX_GROWTH
from lakebed.tasks.summary.stage import SUMMARY
from tests.tasks.summary.conftest import publish_graph, workspace_at
from tests.tasks.summary.graphs import planted_graph
from tests.tasks.summary.graphs_of_nights import Night, edited

LARGE = IncrementalConfig(least_edges=1)
KILLED = """
import os, signal, sys
from pathlib import Path
from lakebed.tasks.summary import build, previous
from tests.tasks.summary.test_previous import first_night, made, next_night

if sys.argv[2] == "before":
    previous.require_lossless = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
else:
    build.Stage.publish = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
made(Path(sys.argv[1]), next_night(first_night(), 1))
"""


def first_night(seed: int = 3) -> Night:
    return Night(planted_graph(400, 9, seed=seed), [f"node:{number}" for number in range(400)])


def next_night(night: Night, seed: int, share: float = 0.001) -> Night:
    return edited(night, np.random.default_rng(seed), share)


def made(
    root: Path, night: Night, config: IncrementalConfig = LARGE, *, is_full: bool = False
) -> tuple[ArtifactStore, ArtifactRef]:
    workspace = Workspace.model_validate(workspace_at(root).model_dump() | {"is_full": is_full})
    graph = publish_graph(workspace, night.edges, night.keys)
    ref = run_stage(SUMMARY, Inputs.of(workspace, graph, SummaryConfig(threads=1), config))
    return ArtifactStore(workspace.artifacts), ref


def cost(store: ArtifactStore, ref: ArtifactRef) -> int:
    return int(store.manifest(ref).summary["cost"])


def decoded(store: ArtifactStore, ref: ArtifactRef, night: Night) -> np.ndarray:
    return load_arrays(store.folder(ref.stage, ref.key), len(night.keys)).decode()


@pytest.mark.parametrize("seed", range(2))
def test_eight_nights(tmp_path: Path, seed: int) -> None:
    night = first_night(seed)
    made(tmp_path / "nights", night)
    n_started = 0
    for number in range(8):
        night = next_night(night, 100 * seed + number)
        store, ref = made(tmp_path / "nights", night)
        np.testing.assert_array_equal(decoded(store, ref, night), night.edges)
        full, anew = made(tmp_path / f"full {number}", night)
        assert cost(store, ref) <= 1.02 * cost(full, anew)
        metrics, nights = store.metrics(ref), store.manifest(ref).nights
        assert bool(metrics["changes"]) != bool(metrics["anew"]) and (nights > 0) == bool(metrics["changes"])
        assert nights or ref.digest == anew.digest, "one made anew is that of a full run"
        n_started += nights > 0
        assert made(tmp_path / "nights", night)[1] == ref, "nothing changed since"
    assert n_started >= 4


def test_the_same_start_makes_the_same_bytes_and_is_in_the_key(tmp_path: Path) -> None:
    before, after = first_night(), next_night(first_night(), 1)
    refs = []
    for name in ("one", "other"):
        made(tmp_path / name, before)
        refs.append(made(tmp_path / name, after)[1])
    alone = made(tmp_path / "alone", after)[1]
    assert refs[0] == refs[1] and refs[0].key != alone.key
    # a run that takes nothing from others makes that of a full run; then that is there for all
    assert made(tmp_path / "one", after, is_full=True)[1] == alone == made(tmp_path / "one", after)[1]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (IncrementalConfig(least_edges=1, full_every=1), "one in 1 is made anew"),
        (IncrementalConfig(least_edges=1, changed_share=0.0001), "of the edges are other"),
        (IncrementalConfig(), ""),
    ],
)
def test_settings_that_start_from_nothing(tmp_path: Path, config: IncrementalConfig, why: str) -> None:
    made(tmp_path, first_night())
    store, ref = made(tmp_path, next_night(first_night(), 1), config)
    assert why in store.metrics(ref)["anew"] and not store.metrics(ref)["changes"]
    assert ref.digest == made(tmp_path / "full", next_night(first_night(), 1))[1].digest
    assert store.manifest(ref).nights == 0


def test_one_that_grew_is_made_anew(tmp_path: Path) -> None:
    after = next_night(first_night(), 2, 0.1)
    made(tmp_path, first_night())
    store, ref = made(tmp_path, after, IncrementalConfig(least_edges=1, changed_share=1.0))
    assert MAX_GROWTH <= 0.01 and "larger for its edges" in store.metrics(ref)["anew"]
    assert ref.digest == made(tmp_path / "full", after)[1].digest


@pytest.mark.parametrize("path", [*ARRAYS.values(), "lakegraph", "manifest"])
def test_damage_of_the_start_means_a_full_run(tmp_path: Path, path: str) -> None:
    store, first = made(tmp_path, first_night())
    folder = Path(store.folder(first.stage, first.key))
    if path == "lakegraph":
        (of,) = store.manifest(first).inputs
        (Path(store.folder(of.stage, of.key)) / "manifest.json").unlink()
    elif path == "manifest":
        (folder / "manifest.json").write_text("{")
    else:
        data = bytearray((folder / path).read_bytes())
        data[-3] ^= 0x41
        (folder / path).write_bytes(data)
    after = next_night(first_night(), 1)
    store, ref = made(tmp_path, after)
    np.testing.assert_array_equal(decoded(store, ref, after), after.edges)
    assert not store.metrics(ref)["changes"]
    assert ref.digest == made(tmp_path / "full", after)[1].digest


@pytest.mark.parametrize("when", ["before", "publish"])
def test_killed_and_run_again(tmp_path: Path, when: str) -> None:
    for name in ("killed", "whole"):
        made(tmp_path / name, first_night())
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed"), when], check=False, env={**os.environ}
    )
    assert done.returncode == -9
    after = next_night(first_night(), 1)
    store, ref = made(tmp_path / "killed", after)
    assert ref == made(tmp_path / "whole", after)[1]
    assert store.metrics(ref)["changes"]["nodes_reused"] > 0

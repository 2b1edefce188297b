"""Nights: an index that starts from the previous one, and all that makes it start from nothing."""

import zlib
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.folder import build_folder, build_here, open_folder
from lakebed.tasks.index.previous import Start
from lakebed.tasks.index.stage import INDEX
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.config import IncrementalConfig
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.search.lakes import publish_graph, publish_vectors

CONFIG = IndexConfig(max_flat=20, links=4, recall=0.8, kinds=("column",))
LARGE = IncrementalConfig(least_edges=1, changed_share=0.3)
DIM = 12


def tables(first, last):
    return {
        f"t{number:03d}": {"a": list(range(number, number + 20)), "b": [number] * 20} for number in range(first, last)
    }


def made(root, first=0, last=100, config=LARGE, *, index=CONFIG, noise=0.001, is_full=False):
    """The store, and the artifact of an index over vectors that stay by their keys but for a little noise."""
    space, refs = publish_graph(root, tables(first, last))
    keys = ArtifactStore(str(root)).read(refs["lakegraph"], "nodes").sort_by("node_id")["key"].to_pylist()
    drawn = [np.random.default_rng(zlib.crc32(key.encode())).standard_normal(DIM) for key in keys]
    moved = np.array(drawn) + noise * np.random.default_rng([first, last]).standard_normal((len(keys), DIM))
    embeddings = publish_vectors(space, refs["lakegraph"], moved.astype(np.float32))
    run = Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root), is_full=is_full)
    return ArtifactStore(str(root)), run_stage(INDEX, Inputs.of(run, refs["lakegraph"], embeddings, index, config))


def test_a_night_carries_the_graph_over_and_names_its_start(tmp_path):
    store, before = made(tmp_path / "one")
    _, ref = made(tmp_path / "one", 3, 104)
    assert store.manifest(ref).nights == 1 and store.manifest(before).nights == 0
    assert store.metrics(ref)["changes"] == {
        "vectors_reused": 194, "vectors_moved": 0, "vectors_new": 8, "vectors_dropped": 6,
    }  # fmt: skip
    index = open_folder(f"{store.folder('index', ref.key)}/vectors/column")
    ids = index.items["id"].to_pylist()
    assert len(ids) == 202 and [index.nearest(index.vector(name), 1).ids[0] for name in ids] == ids
    # the same start and vectors give the same artifact, and nothing is made twice
    made(tmp_path / "other")
    assert made(tmp_path / "other", 3, 104)[1] == ref == made(tmp_path / "one", 3, 104)[1]
    alone = made(tmp_path / "alone", 3, 104)[1]
    assert alone.key != ref.key
    assert made(tmp_path / "one", 3, 104, is_full=True)[1] == alone


@pytest.mark.parametrize(
    ("last", "config", "noise", "why"),
    [
        (104, IncrementalConfig(least_edges=1, full_every=1), 0.001, "one in 1 is made anew"),
        (150, IncrementalConfig(least_edges=1), 0.001, "of the vectors are other"),
        (104, LARGE, 0.5, "of the vectors are other"),
        (104, IncrementalConfig(), 0.001, ""),
    ],
)
def test_what_makes_it_start_from_nothing(tmp_path, last, config, noise, why):
    made(tmp_path)
    store, ref = made(tmp_path, 3, last, config, noise=noise)
    assert why in store.metrics(ref)["anew"] and not store.metrics(ref)["changes"]
    assert store.manifest(ref).nights == 0
    assert ref.digest == made(tmp_path / "alone", 3, last, config, noise=noise)[1].digest


@pytest.mark.parametrize("index", [CONFIG.model_copy(update={"storage": "int8"}), IndexConfig(kinds=("column",))])
def test_what_has_no_graph_of_its_own_has_no_start(tmp_path, index):
    made(tmp_path, index=index)
    store, ref = made(tmp_path, 3, 104, index=index)
    assert store.manifest(ref).nights == 0
    assert ref == made(tmp_path / "alone", 3, 104, index=index)[1]


@pytest.mark.parametrize("name", ["shard-0000.hnsw", "vectors-0000.npy", "items.parquet"])
def test_damage_of_the_start_means_a_full_run(tmp_path, name):
    store, before = made(tmp_path)
    (path,) = (tmp_path / "index" / before.key).rglob(name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    store, ref = made(tmp_path, 3, 104)
    assert "cannot be used" in store.metrics(ref)["anew"] and store.manifest(ref).nights == 0
    assert ref.digest == made(tmp_path / "alone", 3, 104)[1].digest


def test_each_kind_has_a_width_of_its_own_which_is_renewed_when_it_is_built_anew(tmp_path):
    """Vectors that turn into harder ones are built anew once, and carried over from then on."""
    rng, n = np.random.default_rng(0), 3_000
    easy, hard = (rng.standard_normal((n, dim)).astype(np.float32) for dim in (2, 48))
    soft = (rng.standard_normal((n, 3)) @ rng.standard_normal((3, 48))).astype(np.float32)
    items = pa.table({"id": [f"{i:06d}" for i in range(n)]})
    config = IndexConfig(max_flat=10, tuning_queries=64, links=8, ef_construction=40)
    widths: dict[str, int] = {}
    carried = []
    for night, column in enumerate((soft, hard, hard)):
        start = Start(lambda kind, last=night - 1: str(tmp_path / str(last) / kind), 0.05, widths)
        for kind, vectors in (("table", easy), ("column", column)):
            build = partial(start.carry_over, kind, lambda works, _: build_here(works)) if night else build_anew
            head = build_folder(str(tmp_path / str(night) / kind), items, vectors, config, build)
            if not night:
                widths[kind] = head.shards[0].ef
        carried.append(set(widths) - set(start.why_not))
    assert carried[1:] == [{"table"}, {"table", "column"}]
    assert "of the vectors are other" in start.anew or not start.anew
    several = config.model_copy(update={"shard_vectors": 1_000})
    build_folder(str(tmp_path / "several"), items, hard, several,
                 partial(start.carry_over, "column", lambda works, _: build_here(works)))  # fmt: skip
    assert start.why_not == {"column": "it has more than one shard"}


def build_anew(works, _):
    return build_here(works)

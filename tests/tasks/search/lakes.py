"""A small lake with a graph, vectors and an index, made in this process: the stages' own functions, but no Spark."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.stage import INDEX
from lakebed.tasks.keys.stage import KEYS
from lakebed.tasks.lakegraph.build import column_table, graph_tables
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.contract import CONTRACTS
from lakebed.tasks.lakegraph.kernel.values import lake_graph
from lakebed.tasks.lakegraph.value_table import value_table
from lakebed.tasks.links.config import LinksConfig, SplitConfig
from lakebed.tasks.links.contract import CONTRACTS as LINK_TABLES
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.contract import Column, Contract
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.record import RunRecord, StageRecord
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.lakegraph.columns import lake_column

HOSTILE = '<script>alert("x")</script>\n'
EMBEDDINGS = Contract(
    name="embeddings",
    version=1,
    meaning="As the embeddings stage publishes them.",
    columns=(Column("node_id", pa.int64(), "node"), Column("vector", pa.list_(pa.float32()), "its vector")),
    key=("node_id",),
)


def lake_tables():
    """A parent, its part, a near miss, a table to join with, others, and a hostile name."""
    rng = np.random.default_rng(7)
    ids, cities = list(range(1_000, 1_300)), [f"city {i % 40}" for i in range(300)]
    tables = {
        "orders": {"id": ids, "city": cities, "price": [round(float(x), 2) for x in rng.random(300)]},
        "orders_2024": {"id": ids[:120], "city": cities[:120]},
        "orders_near": {"id": [*ids[:100], *range(5_000, 5_020)], "city": cities[:120]},
        "towns": {"town": [f"city {i}" for i in range(60)], "people": [int(x) for x in rng.integers(1e6, 2e6, 60)]},
        "flags": {"is_on": [True, False], "none": [None, None]},
        HOSTILE: {"id": ids[200:260], HOSTILE: ["one", "two"] * 30},
    }
    for number in range(20):
        tables[f"noise/{number:02d}"] = {
            "key": [int(x) for x in rng.integers(1e7, 9e7, 50)],
            "word": [f"word {x}" for x in rng.integers(0, 400, 50)],
        }
    return tables


def vectors_of(graph, dim=32, seed=3):
    """Powers of the transition matrix times a random projection, as FastRP takes them."""
    n = len(graph.nodes.key)
    pairs = (np.r_[graph.edges.source, graph.edges.target], np.r_[graph.edges.target, graph.edges.source])
    adjacency = sp.csr_matrix((np.ones(len(pairs[0])), pairs), shape=(n, n))
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    step, power = sp.diags(1 / degree) @ adjacency, np.random.default_rng(seed).standard_normal((n, dim))
    total = np.zeros((n, dim))
    for weight in (0.1, 0.3, 1, 3):
        power = step @ power
        total += weight * power / np.maximum(np.linalg.norm(power, axis=1, keepdims=True), 1e-12)
    return total.astype(np.float32)


def publish_lake(root: Path, tables=None, config=None) -> tuple[ArtifactStore, dict[str, ArtifactRef]]:
    """Artifacts of lakegraph, embeddings and index, and a run's record that names them."""
    space, refs = publish_graph(root, lake_tables() if tables is None else tables)
    refs["index"] = publish_index(space, refs, config)
    record_run(root, refs)
    return ArtifactStore(str(root)), refs


def publish_graph(root: Path, tables) -> tuple[Workspace, dict[str, ArtifactRef]]:
    """Artifacts of lakegraph and embeddings."""
    space = Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root))
    columns = [
        lake_column(table, name, pa.array(values), place)
        for table, held in tables.items()
        for place, (name, values) in enumerate(held.items())
    ]
    found = lake_graph(sorted({column.table for column in columns}), columns, LakeGraphConfig())
    stage = Stage(StageSpec("lakegraph", 1, CONTRACTS), inputs=[], config=LakeGraphConfig(), workspace=space)
    made = {**graph_tables(found.graph), "graph_columns": column_table(found.columns)}
    made["column_values"] = value_table(found.columns.column)
    lakegraph = stage.publish(made, {}, StageMetrics())
    return space, {"lakegraph": lakegraph, "embeddings": publish_vectors(space, lakegraph, vectors_of(found.graph))}


def publish_index(space: Workspace, refs, config=None) -> ArtifactRef:
    """The stage's own artifact."""
    return run_stage(INDEX, Inputs.of(space, refs["lakegraph"], refs["embeddings"], config or IndexConfig()))


def publish_vectors(space, lakegraph, vectors):
    """An artifact of vectors, one a node."""
    spec = StageSpec("embeddings", 1, {"embeddings": EMBEDDINGS})
    stage = Stage(spec, inputs=[lakegraph], config=LakeGraphConfig(), workspace=space, identity=[vectors.tobytes()])
    ends = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    rows = pa.ListArray.from_arrays(pa.array(ends), pa.array(vectors.ravel()))
    table = pa.table([np.arange(len(vectors)), rows], schema=EMBEDDINGS.arrow_schema())
    return stage.publish({"embeddings": table}, {}, StageMetrics())


def publish_predictions(space, lakegraph, pairs, nodes):
    """A links artifact that says nothing but these (kind, source label, target label, chance)."""
    number_of = {(row["kind"], row["label"]): row["node_id"] for row in nodes.to_pylist()}
    rows = []
    for rank, (kind, source, target, chance) in enumerate(pairs, 1):
        low, high = sorted([(number_of[kind, source], source), (number_of[kind, target], target)])
        rows.append([rank, low[0], high[0], kind, low[1], high[1], chance, "{}", ""])
    schema = LINK_TABLES["predictions"].arrow_schema()
    table = pa.table([list(column) for column in zip(*rows, strict=True)], schema=schema)
    return publish_links(space, lakegraph, {"predictions": table})


def publish_trained_vectors(space, lakegraph, nodes, vectors, stacked):
    """A links artifact that holds nothing but vectors of these nodes."""
    columns = [pa.array(nodes), pa.array(vectors.tolist()), pa.array(stacked.tolist())]
    table = pa.table(columns, schema=LINK_TABLES["vectors"].arrow_schema())
    return publish_links(space, lakegraph, {"vectors": table}, seed=len(nodes))


def publish_links(space, lakegraph, tables, seed=0):
    """A links artifact with some tables; the others are empty."""
    empty = {name: contract.arrow_schema().empty_table() for name, contract in LINK_TABLES.items()}
    config = LinksConfig(split=SplitConfig(seed=seed))
    keys = run_stage(KEYS, Inputs.of(space, lakegraph))
    return LINKS.open(Inputs.of(space, lakegraph, keys, config)).publish(empty | tables, {}, StageMetrics())


def record_run(root: Path, refs, run_id="20260101T000000-aaaaaa", started_at="2026-01-01T00:00:00+00:00"):
    """The record of a run that ended well."""
    stages = [StageRecord(**ref.model_dump(), reused=False) for ref in refs.values()]
    record = RunRecord(run_id=run_id, status="completed", started_at=started_at, stages=stages)
    folder = root / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(record.model_dump_json())

"""An artifact of a graph to summarise."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.contract import AtLeast, Column, Contract
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary.config import SummaryConfig
from tests.tasks.summary.graphs import planted_graph

N_NODES = 303

NODES = Contract(
    name="nodes",
    version=1,
    meaning="Vertices.",
    columns=(Column("node_id", pa.int64(), "Number.", checks=(AtLeast(0),)), Column("key", pa.string(), "Key.")),
    key=("node_id",),
)
EDGES = Contract(
    name="edges",
    version=1,
    meaning="Edges.",
    columns=(
        Column("source", pa.int64(), "Lesser."),
        Column("target", pa.int64(), "Greater."),
        Column("weight", pa.float32(), "Weight."),
    ),
    key=("source", "target"),
)


def edges() -> np.ndarray:
    return planted_graph(300, 9, seed=4)


def workspace_at(root: Path) -> Workspace:
    return Workspace(lake=LakeConfig(root=str(root)), artifacts=str(root / "artifacts"))


def publish_graph(workspace: Workspace) -> ArtifactRef:
    spec = StageSpec("lakegraph", 1, {"nodes": NODES, "edges": EDGES})
    stage = Stage(spec, inputs=[], config=SummaryConfig(), workspace=workspace)
    ids, ends = np.arange(N_NODES), edges()
    nodes = pa.table({"node_id": ids, "key": [f"node:{i}" for i in ids]})
    rows = pa.table({"source": ends[:, 0], "target": ends[:, 1], "weight": pa.array(np.ones(len(ends)), pa.float32())})
    return stage.publish({"nodes": nodes, "edges": rows}, {}, StageMetrics())


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_at(tmp_path)


@pytest.fixture
def graph(workspace: Workspace) -> ArtifactRef:
    return publish_graph(workspace)

"""An artifact of a graph to summarise."""

from collections.abc import Sequence
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


def publish_graph(
    workspace: Workspace, ends: np.ndarray | None = None, keys: Sequence[str] | None = None
) -> ArtifactRef:
    keys = [f"node:{i}" for i in range(N_NODES)] if keys is None else keys
    ends = (edges() if ends is None else ends).astype(np.int64)
    spec = StageSpec("lakegraph", 1, {"nodes": NODES, "edges": EDGES})
    identity = [ends.tobytes(), *(key.encode() for key in keys)]
    stage = Stage(spec, inputs=[], config=SummaryConfig(), workspace=workspace, identity=identity)
    nodes = pa.table({"node_id": np.arange(len(keys)), "key": pa.array(keys, pa.string())})
    rows = pa.table({"source": ends[:, 0], "target": ends[:, 1], "weight": pa.array(np.ones(len(ends)), pa.float32())})
    return stage.publish({"nodes": nodes, "edges": rows}, {}, StageMetrics())


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_at(tmp_path)


@pytest.fixture
def graph(workspace: Workspace) -> ArtifactRef:
    return publish_graph(workspace)

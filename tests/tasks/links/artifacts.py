"""Small graph artifacts, as the lakegraph stage publishes them: of a lake, and of an edge table."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.keys.stage import KEYS
from lakebed.tasks.lakegraph.build import column_table, graph_tables
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.contract import COLUMN_VALUES, CONTRACTS, EDGES, GRAPH_COLUMNS, NODES
from lakebed.tasks.lakegraph.kernel.values import lake_graph
from lakebed.tasks.lakegraph.value_table import value_table
from lakebed.tasks.links.config import GnnConfig, LinksConfig, SplitConfig
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.lakegraph.columns import lake_column
from tests.tasks.links.graphs import communities

SMALL = LinksConfig(
    split=SplitConfig(valid_share=0.1, test_share=0.1),
    gnn=GnnConfig(n_hidden=16, n_epochs=30, patience=30, checkpoint_every=3),
    projection_columns=32,
    n_candidates=4,
    n_predictions=50,
    n_tails=20,
)
SPEC = StageSpec("lakegraph", 1, CONTRACTS)


def workspace(root: Path) -> Workspace:
    return Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root / "artifacts"))


def grouped_tables(n_groups=8, n_tables=6, seed=0):
    """Tables of one group draw from the same values, so their columns overlap; those of other groups do not."""
    random = np.random.default_rng(seed)
    return {
        f"group{group}/t{number}": {
            name: [f"{name}{group}-{value}" for value in np.sort(random.permutation(60)[:45])]
            for name in ("id", "city")
        }
        for group in range(n_groups)
        for number in range(n_tables)
    }


def publish_lake_graph(space: Workspace, tables=None) -> ArtifactRef:
    columns = [
        lake_column(table, name, pa.array(values), place)
        for table, held in (grouped_tables() if tables is None else tables).items()
        for place, (name, values) in enumerate(held.items())
    ]
    found = lake_graph(sorted({column.table for column in columns}), columns, LakeGraphConfig())
    stage = Stage(SPEC, inputs=[], config=LakeGraphConfig(), workspace=space, identity=[str(tables).encode()])
    made = {**graph_tables(found.graph), "graph_columns": column_table(found.columns)}
    made["column_values"] = value_table(found.columns.column)
    return stage.publish(made, {}, StageMetrics())


def publish_edge_graph(space: Workspace, n_groups: int = 6) -> ArtifactRef:
    edges, n = communities(n_groups)
    names = [f"node:{number:04d}" for number in range(n)]
    nodes = pa.table([pa.array(range(n)), ["node"] * n, names, names], schema=NODES.arrow_schema())
    ones = np.ones(len(edges), np.float32)
    made = {
        "nodes": nodes,
        "edges": pa.table([edges[:, 0], edges[:, 1], ones, ["edge"] * len(edges)], schema=EDGES.arrow_schema()),
        "graph_columns": GRAPH_COLUMNS.arrow_schema().empty_table(),
        "column_values": COLUMN_VALUES.arrow_schema().empty_table(),
    }
    stage = Stage(SPEC, inputs=[], config=LakeGraphConfig(), workspace=space, identity=[f"edges{n_groups}".encode()])
    return stage.publish(made, {}, StageMetrics())


def publish_keys(space: Workspace, graph: ArtifactRef) -> ArtifactRef:
    """The keys of that graph, as the stage finds them."""
    return run_stage(KEYS, Inputs.of(space, graph))


def links_inputs(space: Workspace, graph: ArtifactRef, config: LinksConfig = SMALL) -> Inputs:
    """What the links stage is called with."""
    return Inputs.of(space, graph, publish_keys(space, graph), config)

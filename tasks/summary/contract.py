"""The tables of a summary's artifact."""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, AtMostColumn, Column, Contract, OneOf

COUNT = (AtLeast(0),)

FOREST = Contract(
    name="summary.forest",
    version=1,
    meaning="The forest over the graph's vertices: each node with its parent.",
    columns=(
        Column("node", pa.int32(), "The node; vertices come first and keep the graph's numbers.", checks=COUNT),
        Column("parent", pa.int32(), "The node above, a higher number; -1 at a root.", checks=(AtLeast(-1),)),
    ),
    key=("node",),
)

SIGNED_EDGES = Contract(
    name="summary.signed_edges",
    version=1,
    meaning="Edges between nodes: each adds its sign to all pairs of a vertex below one end and one below the other.",
    columns=(
        Column("source", pa.int32(), "The lower of the two nodes.", checks=COUNT),
        Column("target", pa.int32(), "The higher; the same node stands for all pairs inside it.", checks=COUNT),
        Column(
            "sign", pa.int8(), "+1 adds, -1 takes away; a pair is an edge where the sum is 1.", checks=(OneOf((-1, 1)),)
        ),
    ),
    key=("source", "target"),
    checks=(AtMostColumn("source", "target"),),
)

LEVELS = Contract(
    name="summary.levels",
    version=1,
    meaning="The forest and its edges by distance from the root.",
    columns=(
        Column("level", pa.int32(), "Nodes above; 0 is a root.", checks=COUNT),
        Column("n_vertices", pa.int64(), "Vertices at this level.", unit="nodes", checks=COUNT),
        Column("n_internal", pa.int64(), "Internal nodes at this level.", unit="nodes", checks=COUNT),
        Column("n_plus", pa.int64(), "Ends of edges with sign +1 at this level.", unit="ends", checks=COUNT),
        Column("n_minus", pa.int64(), "Ends of edges with sign -1 at this level.", unit="ends", checks=COUNT),
    ),
    key=("level",),
)

CONTRACTS = {"forest": FOREST, "signed_edges": SIGNED_EDGES, "levels": LEVELS}

ARRAYS = {name: f"arrays/{name}.npy" for name in ("parent", "source", "target", "sign")}
"""The same as arrays that can be mapped into memory: file of each, below the artifact's folder."""

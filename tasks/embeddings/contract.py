"""The tables of the embeddings, and of the powers that they are sums of."""

import pyarrow as pa

from lakebed.tasks.runtime.contract import AtLeast, Column, Contract

COUNT = (AtLeast(0),)
VECTOR = pa.list_(pa.field("element", pa.float32(), nullable=False))

EMBEDDINGS = Contract(
    name="embeddings.embeddings",
    version=1,
    meaning="The vector of every node of the graph, in the order of the nodes.",
    columns=(
        Column("node_id", pa.int64(), "Number of the node in the lakegraph artifact.", checks=COUNT),
        Column("vector", VECTOR, "Its vector; all have the same length, none is zero."),
    ),
    key=("node_id",),
)

POWERS = Contract(
    name="powers.powers",
    version=1,
    meaning="Powers of the transition matrix times the projection; each is a file or a folder beside this table.",
    columns=(
        Column("power", pa.int32(), "Exponent.", checks=(AtLeast(1),)),
        Column("path", pa.string(), "Where it lies, below the artifact's folder."),
        Column("n_nodes", pa.int64(), "Rows.", unit="nodes", checks=COUNT),
        Column("dim", pa.int32(), "Columns.", checks=COUNT),
    ),
    key=("power",),
)

CONTRACTS = {"embeddings": EMBEDDINGS}
POWERS_CONTRACTS = {"powers": POWERS}

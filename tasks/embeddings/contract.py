"""The tables of the embeddings, and of the powers that they are sums of."""

import numpy as np
import numpy.typing as npt
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


# list offsets are 32 bits
_MAX_CHUNK_VALUES = 1 << 30


def vector_table(vectors: npt.NDArray[np.float32], first: int = 0) -> pa.Table:
    """Vectors as a table of the contract, numbered from `first`."""
    n, dim = vectors.shape
    size = max(1, _MAX_CHUNK_VALUES // dim)
    schema = EMBEDDINGS.arrow_schema()
    kind = schema.field("vector").type
    chunks = []
    for start in range(0, n, size):
        part = vectors[start : start + size]
        offsets = pa.array(np.arange(0, part.size + 1, dim, dtype=np.int32))
        lists = pa.ListArray.from_arrays(offsets, pa.array(part.reshape(-1)), type=kind)
        ids = pa.array(np.arange(first + start, first + start + len(part), dtype=np.int64))
        chunks.append(pa.RecordBatch.from_arrays([ids, lists], schema=schema))
    return pa.Table.from_batches(chunks, schema=schema)

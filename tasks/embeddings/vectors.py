"""Vectors as the table that is published."""

import numpy as np
import pyarrow as pa

from lakebed.tasks.embeddings.contract import EMBEDDINGS
from lakebed.tasks.embeddings.kernel.projection import Float32

# list offsets are 32 bits
_MAX_CHUNK_VALUES = 1 << 30


def vector_table(vectors: Float32, first: int = 0) -> pa.Table:
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

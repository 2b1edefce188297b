"""ORC: rows in stripes, read by Arrow; timestamps of other years than 1677 to 2262 are refused by it, not bent."""

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import orc


def read_orc(source: pa.NativeFile) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema of an ORC file, and its rows, a batch per stripe.

    Raises:
        ArrowException, OSError: of a damaged file, and of values that Arrow has no room for.
    """
    file = orc.ORCFile(source)
    schema = file.schema.remove_metadata()
    return schema, (_batch(file.read_stripe(stripe), schema) for stripe in range(file.nstripes))


def _batch(stripe: pa.RecordBatch | pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    batch = stripe if isinstance(stripe, pa.RecordBatch) else stripe.combine_chunks().to_batches()[0]
    return batch.cast(schema)

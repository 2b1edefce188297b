"""Content digests: what an artifact says, not how or where it was written.

A table's digest is SHA-256 over its columns, its number of rows and the order-free multiset hash of its rows,
so neither row order nor batches, files or their names enter it.
"""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from lakebed.tasks.runtime.contract import Contract
from lakebed.tasks.runtime.keys import sha256_of_parts

# public on purpose: a digest protects against accidents and must be the same on every machine
DIGEST_KEY = b"lakebed-digest-1"

# of the widest column's cells that are hashed together: what the hashing of nested cells makes of them, sixteen times
# as much and more, then stays in the processor's cache, and is no memory that the system has to clear each time
_PART_BYTES = 1 << 17
_PART_ROWS = 64, 65536


def batch_multiset(batch: pa.RecordBatch, columns: Sequence[str]) -> bytes:
    """The 32-byte multiset hash of a batch's rows over `columns`; O(rows x columns)."""
    return _total(_multisets(batch, columns))


def table_multisets(table: pa.Table, columns: Sequence[str]) -> list[bytes]:
    """The multiset hashes of a table's batches."""
    return [batch_multiset(batch, columns) for batch in table.select(list(columns)).to_batches() if batch.num_rows]


def _multisets(batch: pa.RecordBatch, columns: Sequence[str]) -> Iterator[bytes]:
    from lakebed.tasks.encoding.multiset import multiset_hash
    from lakebed.tasks.encoding.sip_hashes import column_hashes, row_hashes

    least, most = _PART_ROWS
    widest = max([1, *(batch.column(name).nbytes for name in columns)])
    step = min(most, max(least, _PART_BYTES * batch.num_rows // widest))
    for start in range(0, batch.num_rows, step):
        part = batch.slice(start, step)
        hashes = [column_hashes(part.column(name), None, name, DIGEST_KEY, strict_types=True) for name in columns]
        yield bytes(multiset_hash(row_hashes(hashes, DIGEST_KEY)))


def table_digest(contract: Contract, n_rows: int, multisets: Iterable[bytes]) -> str:
    """The digest of a table from its number of rows and the multiset hashes of its parts.

    The contract's name and version are not in it; its digested columns with their types are.
    """
    columns = [f"{column.name}\0{column.type}".encode() for column in contract.columns if column.is_digested]
    return sha256_of_parts([*columns, n_rows.to_bytes(8, "little"), _total(multisets)])


def digest_table(contract: Contract, table: pa.Table) -> str:
    """The digest of an Arrow table that fits `contract`."""
    return table_digest(contract, table.num_rows, table_multisets(table, contract.digested_names))


def _total(multisets: Iterable[bytes]) -> bytes:
    from lakebed.tasks.encoding.multiset import add_multiset_hashes

    parts = list(multisets)
    return add_multiset_hashes(parts) if parts else bytes(32)

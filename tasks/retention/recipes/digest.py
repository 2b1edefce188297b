"""Strict digests: what a table's columns and rows are, to the bit, whatever files they lie in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from lakebed.connectors.errors import PlanError, SourceError
from lakebed.tasks.encoding import ENCODING_ID, OLDER_ENCODING_ID, sip_hashes
from lakebed.tasks.encoding.hashes import add_cells, finish, start_sums
from lakebed.tasks.encoding.multiset import multiset_hash
from lakebed.tasks.encoding.sums import add_sums, multiset_sum, sum_digest, total
from lakebed.tasks.retention.recipes.model import StrictDigest
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.shapes import columns_text, table_leaves
from lakebed.tasks.runtime.hash_key import key_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from lakebed.connectors.lake.leaves import LeafArray
    from lakebed.tasks.encoding.hashes import Hashes
    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import TableRef


def strict_hashes(cells: Mapping[str, LeafArray], key: bytes) -> Hashes:
    """(n, 2) hashes of rows over the given leaves, under which no two different values are equal but NaNs.

    Raises:
        SourceError: if there is no leaf, or one has a type that cannot be compared.
    """
    _require_columns(cells)
    sums = start_sums(len(next(iter(cells.values())).values))
    for token, leaf in cells.items():
        add_cells(sums, leaf.values, leaf.null_depth, token, key, strict_types=True)
    return finish(sums, key)


class RowDigest:
    """The digest of a table whose rows come one batch after the other."""

    def __init__(self, key: bytes) -> None:
        self._key, self._n_rows = key, 0
        self._sum, self._sequence = total(()), hashlib.sha256()

    def add(self, hashes: Hashes) -> None:
        """Takes in the strict hashes of the next rows. Shapes: (n, 2)."""
        self._n_rows += len(hashes)
        self._sum = add_sums(self._sum, multiset_sum(hashes, self._key))
        self._sequence.update(_bytes(hashes))

    def of(self, schema: pa.Schema) -> StrictDigest:
        """The digest of a table with this schema and the rows so far."""
        made = (ENCODING_ID, key_id(self._key))
        rows = sum_digest(self._sum, self._key).hex()
        return _digest(schema, self._n_rows, rows, self._sequence.hexdigest(), made)


def digest_of(schema: pa.Schema, hashes: Hashes, key: bytes) -> StrictDigest:
    """The digest of a table from its schema and the strict hashes of its rows, in order."""
    digest = RowDigest(key)
    digest.add(hashes)
    return digest.of(schema)


def strict_digest(table: pa.Table, key: bytes, *, ignore_case: bool = False) -> StrictDigest:
    """The digest of a table in memory. O(rows · columns).

    Args:
        table: with its whole schema.
        key: 32 bytes.
        ignore_case: whether column names that differ only in case are the same.

    Raises:
        SourceError: if it has no column, or one of a type that cannot be compared.
    """
    return digest_of(table.schema, strict_hashes(table_leaves(table, ignore_case), key), key)


def digest_table(context: RecipeContext, ref: TableRef) -> StrictDigest:
    """The digest of a table of the lake as it reads; equal to that of the same table in memory.

    Raises:
        PlanError: if it is not the version that `ref` names.
        SourceError: if it cannot be read.
    """
    reader = TableReader(context.lake, ref)
    ref = reader.describe()
    hashes = strict_hashes(reader.cells([leaf.token for leaf in ref.leaves]), context.key)
    return digest_of(reader.schema, hashes, context.key)


def digest_like(
    wanted: StrictDigest, schema: pa.Schema, cells: Mapping[str, LeafArray], context: RecipeContext
) -> StrictDigest:
    """The digest of rows under the encoding and the key of another digest, so that the two can be compared.

    Raises:
        PlanError: if that encoding is not known, or its key not had.
        SourceError: as `strict_hashes`.
    """
    key = context.older if wanted.encoding == OLDER_ENCODING_ID else context.key
    if wanted.encoding not in {ENCODING_ID, OLDER_ENCODING_ID} or key_id(key) != wanted.key_id:
        raise PlanError(
            "the recipe was made under another hash key or encoding",
            expected=f"key {wanted.key_id}, encoding {wanted.encoding}",
            hint="set the same `containment.hash_key`, or run `lakebed plan` again",
        )
    if wanted.encoding == ENCODING_ID:
        return digest_of(schema, strict_hashes(cells, key), key)
    _require_columns(cells)
    columns = [
        sip_hashes.column_hashes(leaf.values, leaf.null_depth, token, key, strict_types=True)
        for token, leaf in cells.items()
    ]
    hashes = sip_hashes.row_hashes(columns, key)
    sequence = hashlib.sha256(_bytes(hashes)).hexdigest()
    return _digest(schema, len(hashes), multiset_hash(hashes).hex(), sequence, (OLDER_ENCODING_ID, key_id(key)))


def _require_columns(cells: Mapping[str, LeafArray]) -> None:
    if not cells:
        raise SourceError("a table without columns cannot be compared")


def _bytes(hashes: Hashes) -> bytes:
    return np.ascontiguousarray(hashes).astype("<u8", copy=False).tobytes()


def _digest(schema: pa.Schema, n_rows: int, rows: str, sequence: str, made: tuple[str, str]) -> StrictDigest:
    """`made` is the encoding and the id of the key."""
    return StrictDigest(
        encoding=made[0],
        key_id=made[1],
        n_rows=n_rows,
        columns=hashlib.sha256(columns_text(schema).encode()).hexdigest(),
        rows=rows,
        sequence=sequence,
    )

"""Strict digests: what a table's columns and rows are, to the bit, whatever files they lie in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from lakebed.connectors.errors import SourceError
from lakebed.tasks.encoding import ENCODING_ID
from lakebed.tasks.encoding.hashes import column_hashes, row_hashes
from lakebed.tasks.encoding.multiset import multiset_hash
from lakebed.tasks.retention.recipes.model import StrictDigest
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.shapes import columns_text, table_leaves

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
    if not cells:
        raise SourceError("a table without columns cannot be compared")
    columns = [
        column_hashes(leaf.values, leaf.null_depth, token, key, strict_types=True) for token, leaf in cells.items()
    ]
    return row_hashes(columns, key)


def digest_of(schema: pa.Schema, hashes: Hashes, key: bytes) -> StrictDigest:
    """The digest of a table from its schema and the strict hashes of its rows, in order."""
    return StrictDigest(
        encoding=ENCODING_ID,
        key_id=hashlib.sha256(key).hexdigest()[:16],
        n_rows=len(hashes),
        columns=hashlib.sha256(columns_text(schema).encode()).hexdigest(),
        rows=multiset_hash(hashes).hex(),
        sequence=hashlib.sha256(np.ascontiguousarray(hashes).astype("<u8", copy=False).tobytes()).hexdigest(),
    )


def strict_digest(table: pa.Table, key: bytes, *, ignore_case: bool = False) -> StrictDigest:
    """The digest of a table in memory. O(rows · columns).

    Args:
        table: with its whole schema.
        key: 16 bytes.
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
    return digest_read(context, reader, reader.describe())


def digest_read(context: RecipeContext, reader: TableReader, ref: TableRef) -> StrictDigest:
    """The same of a table that is being read; `ref` is what the reader describes."""
    hashes = strict_hashes(reader.cells([leaf.token for leaf in ref.leaves]), context.key)
    return digest_of(reader.schema, hashes, context.key)

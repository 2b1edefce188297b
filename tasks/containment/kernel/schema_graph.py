"""Schema containment on distinct schemas: the first step of R2D2 (Shah et al. 2024, arXiv 2312.13427).

Note: departs from the paper's sweep over clusters. Pairs are found by intersecting posting lists
(token → schemas that have it), rarest token first, which gives the same relation, exactly, without
comparing all pairs of a cluster; and it runs on distinct schemas, so that a thousand daily tables of one
schema cost as much as one.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class SchemaGroups:
    """Tables grouped by their set of column tokens.

    Shapes:
        schema_of_table (n_tables,); token_indptr (n_schemas + 1,), tokens (Σ columns,) ascending in a schema;
        table_indptr (n_schemas + 1,), tables (n_tables,) ascending in a schema.
    """

    schema_of_table: Int32
    token_indptr: Int64
    tokens: Int32
    table_indptr: Int64
    tables: Int32

    @property
    def n_schemas(self) -> int:
        """How many distinct schemas there are."""
        return len(self.token_indptr) - 1

    @property
    def n_tables_of(self) -> Int64:
        """Tables of each schema, (n_schemas,)."""
        return np.diff(self.table_indptr)

    def schema_tokens(self, schema: int) -> Int32:
        """Tokens of a schema, ascending."""
        return self.tokens[self.token_indptr[schema] : self.token_indptr[schema + 1]]

    def schema_tables(self, schema: int) -> Int32:
        """Tables of a schema, ascending."""
        return self.tables[self.table_indptr[schema] : self.table_indptr[schema + 1]]


def group_schemas(indptr: Int64, tokens: Int32) -> SchemaGroups:
    """Groups tables by schema; schemas are numbered by first appearance.

    Shapes: indptr (n_tables + 1,); tokens (indptr[-1],) ascending within a table.
    """
    numbers: dict[bytes, int] = {}
    schema_of_table = np.empty(len(indptr) - 1, np.int32)
    first_tables: list[int] = []
    for table in range(len(indptr) - 1):
        row = tokens[indptr[table] : indptr[table + 1]].tobytes()
        schema = numbers.setdefault(row, len(numbers))
        if schema == len(first_tables):
            first_tables.append(table)
        schema_of_table[table] = schema
    rows = [tokens[indptr[table] : indptr[table + 1]] for table in first_tables]
    return SchemaGroups(
        schema_of_table=schema_of_table,
        token_indptr=_indptr(np.array([len(row) for row in rows], np.int64)),
        tokens=np.concatenate([np.empty(0, np.int32), *rows]).astype(np.int32),
        table_indptr=_indptr(np.bincount(schema_of_table, minlength=len(rows)).astype(np.int64)),
        tables=np.argsort(schema_of_table, kind="stable").astype(np.int32),
    )


def schema_edges(groups: SchemaGroups) -> tuple[Int32, Int32]:
    """Pairs (child, parent) of schemas with S(child) ⊆ S(parent), a schema with itself included.

    Cost: the sum over schemas of their rarest token's posting list, and, of what their signatures (64 bits, one a
    token) leave of it, times the tokens looked up.
    """
    n_tokens = int(groups.tokens.max(initial=-1)) + 1
    schema_of_entry = np.repeat(np.arange(groups.n_schemas, dtype=np.int32), np.diff(groups.token_indptr))
    order = np.argsort(groups.tokens, kind="stable")
    postings = schema_of_entry[order]
    posting_indptr = _indptr(np.bincount(groups.tokens, minlength=n_tokens).astype(np.int64))
    bits = np.uint64(1) << (groups.tokens % 64).astype(np.uint64)
    signatures = np.zeros(groups.n_schemas, np.uint64)
    np.bitwise_or.at(signatures, schema_of_entry, bits)
    children, parents = _supersets(groups.token_indptr, groups.tokens, posting_indptr, postings, signatures)
    return children, parents


def count_table_pairs(sizes: Int64, children: Int32, parents: Int32) -> int:
    """Ordered pairs of different tables that the schema pairs stand for; `sizes` are the tables of each schema."""
    return int((sizes[children] * sizes[parents]).sum() - sizes.sum())


def _indptr(counts: Int64) -> Int64:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


@njit(cache=True, nogil=True)
def _supersets(token_indptr, tokens, posting_indptr, postings, signatures):  # type: ignore[no-untyped-def]
    n_schemas = len(token_indptr) - 1
    children = np.empty(max(16, 2 * n_schemas), np.int32)
    parents = np.empty(len(children), np.int32)
    alive = np.empty(n_schemas, np.int32)
    n_found = 0
    for schema in range(n_schemas):
        n_alive = _containing(schema, token_indptr, tokens, posting_indptr, postings, signatures, alive)
        if n_found + n_alive > len(children):
            size = 2 * (n_found + n_alive)
            children, parents = _grown(children, size), _grown(parents, size)
        children[n_found : n_found + n_alive] = schema
        parents[n_found : n_found + n_alive] = alive[:n_alive]
        n_found += n_alive
    return children[:n_found].copy(), parents[:n_found].copy()


@njit(cache=True, nogil=True)
def _containing(schema, token_indptr, tokens, posting_indptr, postings, signatures, alive):  # type: ignore[no-untyped-def]
    """Fills `alive` with the schemas that have every token of `schema`; returns how many."""
    row = tokens[token_indptr[schema] : token_indptr[schema + 1]]
    if len(row) == 0:  # a table without columns lies in every table
        alive[:] = np.arange(len(alive))
        return len(alive)
    lengths = posting_indptr[row + 1] - posting_indptr[row]
    order = np.argsort(lengths)
    first = row[order[0]]
    n_alive = 0
    for other in postings[posting_indptr[first] : posting_indptr[first + 1]]:
        if signatures[schema] & ~signatures[other] == 0:
            alive[n_alive] = other
            n_alive += 1
    for position in order[1:]:
        if n_alive == 1:
            break
        token = row[position]
        posting = postings[posting_indptr[token] : posting_indptr[token + 1]]
        n_alive = _intersect(alive, n_alive, posting)
    return n_alive


@njit(cache=True, nogil=True)
def _intersect(alive, n_alive, posting):  # type: ignore[no-untyped-def]
    """Keeps of the ascending `alive[:n_alive]` what is also in the ascending `posting`; returns how many."""
    n_kept = 0
    start = 0
    for index in range(n_alive):
        value = alive[index]
        start += np.searchsorted(posting[start:], value)
        if start == len(posting):
            break
        if posting[start] == value:
            alive[n_kept] = value
            n_kept += 1
    return n_kept


@njit(cache=True, nogil=True)
def _grown(values, size):  # type: ignore[no-untyped-def]
    larger = np.empty(size, values.dtype)
    larger[: len(values)] = values
    return larger

"""Executes recipes batch by batch: memory is bounded by a batch and by two bytes a row, not by the tables."""

from __future__ import annotations

import datetime
import secrets
from typing import TYPE_CHECKING

import numpy as np

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.batches import column_ranges
from lakebed.connectors.lake.leaves import LeafArray, schema_leaves
from lakebed.tasks.encoding import ENCODING_ID
from lakebed.tasks.retention.recipes.constants import scalar_of
from lakebed.tasks.retention.recipes.digest import RowDigest, strict_hashes
from lakebed.tasks.retention.recipes.model import Equals, Positions, Range
from lakebed.tasks.retention.recipes.reader import StreamReader
from lakebed.tasks.retention.recipes.rebuild import as_child, holds
from lakebed.tasks.retention.recipes.row_numbers import read_rows
from lakebed.tasks.retention.recipes.shapes import joined, schema_from_text, taken
from lakebed.tasks.retention.recipes.spool import first_of_equal, spool
from lakebed.tasks.runtime.hash_key import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import Part, Recipe, StrictDigest, TableRef, Term
    from lakebed.tasks.retention.recipes.reader import TableReader
    from lakebed.tasks.retention.recipes.rebuild import RowReader

# of which Python's order is that of Parquet's statistics, whatever the time zone
_ORDERED = {int, float, str, bytes, datetime.date}
Cells = dict[str, LeafArray]
MAX_CELLS = 1 << 24
"""Cells of a table that a worker holds whole: some 60 bytes each, with all that is made of them meanwhile."""


def is_large(context: RecipeContext, tables: Iterable[TableRef]) -> bool:
    """Whether a table is too large to be held by a worker."""
    limit = context.config.max_table_bytes
    return any(one.n_bytes > limit or one.n_rows * len(one.leaves) > MAX_CELLS for one in tables)


def is_streamed(context: RecipeContext, recipe: Recipe) -> bool:
    """Whether a recipe is executed batch by batch: its tables are large, and no row waits for one behind it.

    Raises:
        PlanError: if its row numbers are not there, or have changed.
    """
    part, *others = recipe.parts
    if others or recipe.order.rows is not None or recipe.digest.encoding != ENCODING_ID:
        return False
    if "text" in {recipe.child.read_via, part.parent.read_via} or not is_large(context, (recipe.child, part.parent)):
        return False
    # found in memory, numbers stand in the child's order
    return not isinstance(part.selector, Positions) or _ascends(read_rows(context.folder, part.selector.rows))


def _ascends(rows: np.ndarray) -> bool:
    return bool((np.diff(rows) > 0).all())


def table_cells(reader: TableReader, tokens: Sequence[str], terms: Sequence[Term] = ()) -> Iterator[Cells]:
    """The cells of some leaves, in the table's types; row groups that cannot hold a row for the terms are left out."""
    ignore_case = reader.lake.ignore_column_case
    types = {leaf.token: leaf.type for leaf in schema_leaves(reader.schema, ignore_case)}

    def groups(file: pq.ParquetFile) -> tuple[int, ...]:
        return groups_for(file, terms, ignore_case)

    for batch in reader.batches(tokens, groups if terms else None):
        yield {token: joined([batch[token]], types[token]) for token in tokens}


def n_rows_of(cells: Cells) -> int:
    """How many rows a batch has."""
    return len(next(iter(cells.values())).values)


def digest_cells(schema: pa.Schema, batches: Iterable[Cells], key: bytes) -> StrictDigest:
    """The strict digest of a table that comes batch by batch."""
    digest = RowDigest(key)
    for cells in batches:
        digest.add(strict_hashes(cells, key))
    return digest.of(schema)


def digest_stream(reader: TableReader, key: bytes) -> StrictDigest:
    """The strict digest of a table of the lake."""
    tokens = [leaf.token for leaf in schema_leaves(reader.schema, reader.lake.ignore_column_case)]
    return digest_cells(reader.schema, table_cells(reader, tokens), key)


def rebuilt_digest(context: RecipeContext, recipe: Recipe, rows_of: RowReader) -> StrictDigest:
    """The strict digest of what a recipe gives.

    Raises:
        PlanError, SourceError: as `rebuilt_cells`.
    """
    schema = schema_from_text(recipe.child.schema_ipc)
    return digest_cells(schema, rebuilt_cells(context, recipe, rows_of), context.key)


def require_parents(context: RecipeContext, recipe: Recipe) -> None:
    """Reads all bytes of the parents once, and refuses those that are not what the recipe is pinned to.

    Raises:
        PlanError: naming a file that has changed.
        SourceError: if one cannot be read.
    """
    for part in recipe.parts:
        StreamReader(context.lake, part.parent).describe()


def rebuilt_cells(context: RecipeContext, recipe: Recipe, rows_of: RowReader) -> Iterator[Cells]:
    """The child's rows, given what reads row numbers; of a recipe for which `is_streamed` holds, or could.

    Raises:
        PlanError: if row numbers are not the parent's.
        SourceError: if the parent cannot be read, or has a value that is none of the child's types.
    """
    part = recipe.parts[0]
    schema = schema_from_text(recipe.child.schema_ipc)
    types = {leaf.token: leaf.type for leaf in schema_leaves(schema, context.lake.ignore_column_case)}
    reader = StreamReader(context.lake, part.parent)
    if part.multiplicity != "distinct":
        yield from (as_child(part, cells, types) for cells in _selected(part, reader, rows_of))
        return
    key = secrets.token_bytes(KEY_BYTES)
    with spool() as hashes:
        for cells in _selected(part, reader, rows_of):
            hashes.add(strict_hashes(as_child(part, cells, types), key))
        is_first = first_of_equal(hashes)
    start = 0
    for cells in _selected(part, reader, rows_of):
        end = start + n_rows_of(cells)
        chosen, start = is_first[start:end], end
        yield {token: taken(leaf, chosen) for token, leaf in as_child(part, cells, types).items()}


def _selected(part: Part, reader: TableReader, rows_of: RowReader) -> Iterator[Cells]:
    """The selected rows of the parent, in its own columns."""
    tokens = list(dict.fromkeys(column.parent for column in part.columns))
    if isinstance(part.selector, Positions):
        yield from _at(rows_of(part.selector.rows), table_cells(reader, tokens))
        return
    terms = part.selector.terms
    wanted = list(dict.fromkeys([*tokens, *(term.token for term in terms)]))
    for cells in table_cells(reader, wanted, terms):
        kept = {token: cells[token] for token in tokens}
        if terms:
            mask = np.logical_and.reduce([holds(term, cells[term.token].values) for term in terms])
            kept = {token: taken(leaf, mask) for token, leaf in kept.items()}
        yield kept


def _at(rows: np.ndarray, batches: Iterator[Cells]) -> Iterator[Cells]:
    """The rows of these numbers, ascending and each once."""
    if len(rows) and (rows[0] < 0 or not _ascends(rows)):
        raise PlanError("a recipe of a large table names rows out of order", expected="row numbers that ascend")
    start = 0
    for cells in batches:
        end = start + n_rows_of(cells)
        first, last = np.searchsorted(rows, (start, end))
        yield {token: taken(leaf, rows[first:last] - start) for token, leaf in cells.items()}
        start = end
    if len(rows) and rows[-1] >= start:
        raise PlanError("a recipe names rows that its parent lacks", value=int(rows[-1]), hint="lakebed plan")


def groups_for(file: pq.ParquetFile, terms: Sequence[Term], ignore_case: bool) -> tuple[int, ...]:
    """The row groups in which every term may hold for some row, by their statistics."""
    schema, metadata = file.schema_arrow, file.metadata
    ranges, leaves = column_ranges(schema), schema_leaves(schema, ignore_case)
    tops = {leaf.token: leaf.indices[0] for leaf in leaves if len(leaf.indices) == 1}
    known = [(term, ranges[tops[term.token]][0]) for term in terms if term.token in tops]
    return tuple(
        group
        for group in range(metadata.num_row_groups)
        if all(_may_hold(term, metadata.row_group(group).column(column).statistics) for term, column in known)
    )


def _may_hold(term: Term, statistics: pq.Statistics | None) -> bool:
    """False only where bounds of the same Python type lie apart."""
    if isinstance(term, Equals) or term.or_null or statistics is None or not statistics.has_min_max:
        return True
    ends = [term.low, term.high] if isinstance(term, Range) else [*term.values[:1], *term.values[-1:]]
    bounds = [scalar_of(one).as_py() for one in ends if one is not None]
    least, greatest = statistics.min, statistics.max
    kinds = {type(one) for one in (least, greatest, *bounds)}
    if not bounds or len(kinds) > 1 or not kinds <= _ORDERED:
        return True
    return bool(bounds[0] <= greatest and least <= bounds[-1])

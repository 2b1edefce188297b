"""Executes recipes: the child's rows from its parents, by the recipe alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.leaves import LeafArray, schema_leaves
from lakebed.tasks.retention.recipes.casting import cast_exactly
from lakebed.tasks.retention.recipes.constants import scalar_of
from lakebed.tasks.retention.recipes.digest import digest_like, strict_hashes
from lakebed.tasks.retention.recipes.model import Equals, In, Positions, Refusal
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.row_numbers import read_rows
from lakebed.tasks.retention.recipes.shapes import assembled, joined, schema_from_text, table_leaves, taken
from lakebed.tasks.runtime.hash_key import KEY_BYTES

if TYPE_CHECKING:
    from lakebed.tasks.encoding.hashes import Hashes
    from lakebed.tasks.encoding.signatures import Integers
    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import (
        Part,
        Range,
        Recipe,
        Selector,
        StoredRows,
        StrictDigest,
        TableRef,
        Term,
    )

RowReader = Callable[["StoredRows"], "Integers"]


def rebuild(context: RecipeContext, recipe: Recipe) -> pa.Table:
    """The child's rows, in the child's schema, from the parents as they lie in the lake now.

    Rows stand in the order of the child's files where the recipe keeps or restores it.

    Raises:
        PlanError: if a parent is not what the recipe is pinned to, or row numbers are missing.
        SourceError: if a parent cannot be read.
    """
    readers = [TableReader(context.lake, part.parent) for part in recipe.parts]
    return execute(recipe, readers, lambda stored: read_rows(context.folder, stored), context)


def compare(recipe: Recipe, table: pa.Table, context: RecipeContext) -> Refusal | None:
    """Whether rows in memory are the recipe's child, by strict digest; the order counts where the recipe keeps it."""
    cells = table_leaves(table, context.lake.ignore_column_case)
    return compare_digest(recipe, digest_like(recipe.digest, table.schema, cells, context))


def compare_digest(recipe: Recipe, found: StrictDigest) -> Refusal | None:
    """The same by the digest of the rebuilt rows."""
    if not found.is_same_table(recipe.digest):
        what = "columns" if found.columns != recipe.digest.columns else "rows"
        return Refusal(code="differs_strictly", reason=f"the rebuilt {what} are not those of {recipe.child.name}")
    if recipe.order.state != "lost" and found.sequence != recipe.digest.sequence:
        return Refusal(
            code="differs_strictly", reason=f"the rebuilt rows of {recipe.child.name} stand in another order"
        )
    return None


def execute(recipe: Recipe, readers: list[TableReader], rows_of: RowReader, context: RecipeContext) -> pa.Table:
    """The child's rows, given readers of the parents and what reads row numbers."""
    ignore_case = context.lake.ignore_column_case
    schema = schema_from_text(recipe.child.schema_ipc)
    types = {leaf.token: leaf.type for leaf in schema_leaves(schema, ignore_case)}
    parts = [_selected(part, reader, rows_of, types) for part, reader in zip(recipe.parts, readers, strict=True)]
    cells = {token: joined([part[token] for part in parts], type_) for token, type_ in types.items()}
    if recipe.multiplicity == "distinct":
        cells = _distinct(cells)
    if recipe.order.rows is not None:
        order = rows_of(recipe.order.rows)
        cells = {token: taken(leaf, order) for token, leaf in cells.items()}
    return assembled(schema, cells, ignore_case)


def _selected(
    part: Part, reader: TableReader, rows_of: RowReader, types: Mapping[str, pa.DataType]
) -> dict[str, LeafArray]:
    """The part's rows as the child's leaves."""
    tokens = list(dict.fromkeys(column.parent for column in part.columns))
    rows = _rows(part.selector, reader, rows_of, part.parent)
    cells = reader.cells(tokens)
    chosen = cells if rows is None else {token: taken(cells[token], rows) for token in tokens}
    result = as_child(part, chosen, types)
    return _distinct(result) if part.multiplicity == "distinct" else result


def as_child(part: Part, cells: Mapping[str, LeafArray], types: Mapping[str, pa.DataType]) -> dict[str, LeafArray]:
    """Rows of the parent as rows of the child, by the tokens of both.

    Raises:
        SourceError: if a value is none of the child's type.
    """
    return {
        column.child: LeafArray(
            cast_exactly(cells[column.parent].values, types[column.child]), cells[column.parent].null_depth
        )
        for column in part.columns
    }


def _rows(selector: Selector, reader: TableReader, rows_of: RowReader, parent: TableRef) -> np.ndarray | None:
    """Row numbers or a mask; None: all rows."""
    if isinstance(selector, Positions):
        rows = rows_of(selector.rows)
        if len(rows) and (rows.min() < 0 or rows.max() >= parent.n_rows):
            raise PlanError("a recipe names rows that its parent lacks", value=int(rows.max()), hint="lakebed plan")
        return rows
    if not selector.terms:
        return None
    cells = reader.cells([term.token for term in selector.terms])
    masks = [holds(term, cells[term.token].values) for term in selector.terms]
    return np.asarray(np.logical_and.reduce(masks))


def holds(term: Term, values: pa.Array) -> np.ndarray:
    """(n,) where a condition holds, as SQL has it: null is neither in a range nor in a list; NaN is in no range."""
    is_null = np.asarray(values.is_null().to_numpy(zero_copy_only=False))
    if isinstance(term, Equals):
        return is_null if term.value is None else _equal(values, scalar_of(term.value))
    found = _is_listed(term, values) if isinstance(term, In) else _is_between(term, values) & ~is_null
    return found | is_null if term.or_null else found


def _is_listed(term: In, values: pa.Array) -> np.ndarray:
    found = np.zeros(len(values), np.bool_)
    for value in term.values:
        found |= _equal(values, scalar_of(value))
    return found


def _is_between(term: Range, values: pa.Array) -> np.ndarray:
    found = np.ones(len(values), np.bool_)
    if pa.types.is_floating(values.type):
        found &= ~_bool(pc.is_nan(values))
    for end, compare_to in ((term.low, pc.greater_equal), (term.high, pc.less_equal)):
        if end is not None:
            found &= _bool(compare_to(values, scalar_of(end)))
    return found


def _equal(values: pa.Array, value: pa.Scalar) -> np.ndarray:
    return _bool(pc.equal(values, value))


def _bool(mask: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False))


def _distinct(cells: Mapping[str, LeafArray]) -> dict[str, LeafArray]:
    """Each distinct row once, the first stays; under a key that nobody keeps."""
    first = first_rows(strict_hashes(cells, secrets.token_bytes(KEY_BYTES)))
    return {token: taken(leaf, first) for token, leaf in cells.items()}


def first_rows(hashes: Hashes) -> Integers:
    """The places of the first of each equal rows, ascending. Shapes: hashes (n, 2)."""
    packed = np.ascontiguousarray(hashes).view([("high", "<u8"), ("low", "<u8")]).reshape(-1)
    _, first = np.unique(packed, return_index=True)
    return np.sort(first).astype(np.int64)

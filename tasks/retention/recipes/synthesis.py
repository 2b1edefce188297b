"""Synthesises recipes: finds what selects the child's rows, executes it, and compares with the original."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.leaves import schema_leaves
from lakebed.tasks.retention.recipes.attempt import (
    Refused,
    column_maps,
    concluded,
    is_small,
    not_to_the_bit,
    one_line,
    positions_refused,
    projected_hashes,
    require_columns,
)
from lakebed.tasks.retention.recipes.constants import constant_of
from lakebed.tasks.retention.recipes.digest import digest_of, strict_hashes
from lakebed.tasks.retention.recipes.kernel.matching import Match, match_rows, occurrence, positions_of
from lakebed.tasks.retention.recipes.kernel.ranks import can_rank, rank_column
from lakebed.tasks.retention.recipes.kernel.search import Found, find_all_rows, find_condition
from lakebed.tasks.retention.recipes.metadata import keep_metadata, require_metadata
from lakebed.tasks.retention.recipes.model import (
    Equals,
    In,
    Outcome,
    Part,
    Positions,
    Range,
    Recipe,
    RowOrder,
    Where,
)
from lakebed.tasks.retention.recipes.reader import TableReader, table_traits
from lakebed.tasks.retention.recipes.rebuild import compare, execute, first_rows
from lakebed.tasks.retention.recipes.row_numbers import PackedRows, pack_rows, write_rows
from lakebed.tasks.retention.recipes.shapes import schema_from_text
from lakebed.tasks.retention.recipes.write import rehearse, require_traits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakebed.tasks.encoding.hashes import Hashes
    from lakebed.tasks.encoding.signatures import Integers
    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.kernel.matching import Mask
    from lakebed.tasks.retention.recipes.kernel.ranks import RankedColumn
    from lakebed.tasks.retention.recipes.kernel.search import RankTerm
from lakebed.tasks.retention.recipes.model import StoredRows, TableRef, Term


@dataclass
class Readers:
    """Readers of the tables of one task: each table is read once, whatever the number of its pairs."""

    context: RecipeContext
    _held: dict[str, TableReader] = field(default_factory=dict)
    _n_bytes_before: int = 0

    def of(self, ref: TableRef) -> TableReader:
        """The reader of a table."""
        return self._held.setdefault(ref.name, TableReader(self.context.lake, ref))

    def forget(self, keep: Sequence[str] = ()) -> None:
        """Lets go of all tables but the named ones."""
        gone = [name for name in self._held if name not in keep]
        self._n_bytes_before += sum(self._held.pop(name).n_bytes_read for name in gone)

    @property
    def n_bytes_read(self) -> int:
        """Bytes of data read so far."""
        return self._n_bytes_before + sum(reader.n_bytes_read for reader in self._held.values())


def synthesise(
    context: RecipeContext,
    child: TableRef,
    parents: Sequence[TableRef],
    columns: Sequence[Mapping[str, str]] | None = None,
    readers: Readers | None = None,
) -> Outcome:
    """Finds a recipe for a child from its parents, executes it and compares; never raises for what the tables hold.

    Args:
        context: lake, folder of row numbers, key, limits.
        child: the table to be rebuilt.
        parents: one, or several that together hold its rows; earlier ones are used first.
        columns: for each parent the child's tokens → its own, where columns are named otherwise.
        readers: of the tables, shared by the pairs of a task.
    """
    held = readers or Readers(context)
    return concluded(
        child, parents, lambda: _Pair(context, child, parents, columns, held).solve(), lambda: held.n_bytes_read
    )


@dataclass(frozen=True)
class _Selected:
    """What is taken of one parent. Shapes: rows (k,) numbers of the child's distinct rows, in the order selected."""

    part: Part
    packed: PackedRows | None
    hashes: Hashes


class _Pair:
    """A child and its parents, read."""

    def __init__(
        self,
        context: RecipeContext,
        child: TableRef,
        parents: Sequence[TableRef],
        columns: Sequence[Mapping[str, str]] | None,
        readers: Readers,
    ) -> None:
        self._context, self._readers = context, readers
        self._child = readers.of(child).describe()
        self._parents = [readers.of(parent).describe() for parent in parents]
        tokens = [leaf.token for leaf in self._child.leaves]
        self._maps = (
            [dict(given) for given in columns] if columns else [dict(zip(tokens, tokens, strict=True))] * len(parents)
        )
        for parent, tokens_of in zip(self._parents, self._maps, strict=True):
            require_columns(self._child, parent, tokens_of)
        readers.of(child).require_writable()
        self._traits = table_traits(context.lake, self._child)
        self._metadata = keep_metadata(context, self._child)
        for table in (self._child, *self._parents):
            readers.of(table).require_whole_timestamps()
        schema = schema_from_text(self._child.schema_ipc)
        self._schema = schema
        self._types = {leaf.token: leaf.type for leaf in schema_leaves(schema, context.lake.ignore_column_case)}
        self._hashes = strict_hashes(readers.of(child).cells(tokens), context.key)

    def solve(self) -> tuple[Recipe, float]:
        """The recipe and the seconds that its execution took."""
        projected = [self._projected(number) for number in range(len(self._parents))]
        whole = self._whole_union(projected)
        if whole:
            selected, multiplicity = whole, "distinct"
        else:
            shares = _share_out(self._hashes, projected, self._child.name)
            selected, multiplicity = (
                [
                    self._select(n, projected[n], share)
                    for n, share in enumerate(shares)
                    if len(share) or len(shares) == 1
                ],
                "as_is",
            )
        hashes = np.concatenate([one.hashes for one in selected])
        if multiplicity == "distinct":
            hashes = hashes[first_rows(hashes)]
        order, packed_order = self._order(hashes)
        packed = [rows for rows in (*(one.packed for one in selected), packed_order) if rows is not None]
        recipe = Recipe(
            child=self._child,
            parts=tuple(one.part for one in selected),
            multiplicity=multiplicity,
            order=order,
            digest=digest_of(self._schema, self._hashes, self._context.key),
            traits=self._traits,
            metadata=self._metadata,
        )
        seconds = self._execute(recipe, packed)
        for rows in packed:
            write_rows(self._context.folder, rows)
        return recipe, seconds

    def _execute(self, recipe: Recipe, packed: Sequence[PackedRows]) -> float:
        """Runs the recipe as it will be stored, on readers that know nothing but the parents' bytes."""
        held = {rows.facts: rows for rows in packed}

        def rows_of(stored: StoredRows) -> Integers:
            return held[stored].numbers()

        started = time.monotonic()
        stored = Recipe.model_validate_json(recipe.model_dump_json())
        readers = [self._readers.of(part.parent).again(part.parent) for part in stored.parts]
        table = execute(stored, readers, rows_of, self._context)
        seconds = time.monotonic() - started
        if refusal := compare(stored, table, self._context):
            raise Refused(refusal.code, refusal.reason)
        try:
            if self._context.config.rehearses_writing:
                rehearse(self._context, stored, table)
            else:
                require_traits(self._traits, table.schema, self._child.name)
                require_metadata(self._context, stored)
        except LakeError as error:
            raise Refused("cannot_be_written", one_line(error)) from error
        return seconds

    def _projected(self, number: int) -> tuple[Hashes, Mask | None]:
        """Strict hashes of a parent's rows as rows of the child, and which of them can be such."""
        columns, key = self._maps[number], self._context.key
        cells = self._readers.of(self._parents[number]).cells(list(dict.fromkeys(columns.values())))
        return projected_hashes(cells, columns, self._types, key)

    def _whole_union(self, projected: Sequence[tuple[Hashes, Mask | None]]) -> list[_Selected] | None:
        """All rows of several parents, each distinct one once, where that is the child."""
        if len(projected) == 1 or not all(valid is None for _, valid in projected):
            return None
        # (rows of the child, 2) against the rows of all parents behind each other, (Σ n, 2)
        match = match_rows(self._hashes, np.concatenate([hashes for hashes, _ in projected]))
        found = find_all_rows(match)
        if found is None or found.multiplicity != "distinct":
            return None
        return [
            self._taken(number, projected[number][0], Where(shape="all"), "as_is") for number in range(len(projected))
        ]

    def _select(self, number: int, projected: tuple[Hashes, Mask | None], share: Integers) -> _Selected:
        """What selects the given rows of the child from a parent."""
        hashes, is_valid = projected
        match = match_rows(self._hashes[share], hashes, is_valid)
        whole = find_all_rows(match)
        found = (whole, ()) if whole else self._condition(number, match)
        if found is None:
            return self._positions(number, match, hashes)
        chosen, terms = found
        # (n, 2) → (selected, 2) → one per distinct row
        selected = hashes[chosen.mask]
        if chosen.multiplicity == "distinct":
            selected = selected[first_rows(selected)]
        part = self._part(number, Where(shape=chosen.shape, terms=terms), chosen.multiplicity)
        return _Selected(part, None, selected)

    def _condition(self, number: int, match: Match) -> tuple[Found, tuple[Term, ...]] | None:
        """A condition on partition columns and the child's own columns, else on any column of the parent."""
        own = set(self._maps[number].values())
        near = [leaf.token for leaf in self._parents[number].leaves if leaf.is_partition or leaf.token in own]
        far = [leaf.token for leaf in self._parents[number].leaves if leaf.token not in near]
        ranked = self._ranked(number, near)
        found = find_condition(match, ranked, self._context.config.max_in_values)
        if found is None and far:
            ranked += self._ranked(number, far)
            found = find_condition(match, ranked, self._context.config.max_in_values)
        return None if found is None else (found, tuple(term_of(term, ranked) for term in found.terms))

    def _ranked(self, number: int, tokens: Sequence[str]) -> list[RankedColumn]:
        reader = self._readers.of(self._parents[number])
        partitions = [leaf.token for leaf in self._parents[number].leaves if leaf.is_partition]
        types = {leaf.token: leaf.type for leaf in schema_leaves(reader.schema, self._context.lake.ignore_column_case)}
        usable = [token for token in tokens if can_rank(types[token])]
        ordered = sorted(usable, key=lambda token: token not in partitions)
        return [rank_column(token, cells.values, token in partitions) for token, cells in reader.cells(ordered).items()]

    def _positions(self, number: int, match: Match, hashes: Hashes) -> _Selected:
        """Row numbers of the parent, in the child's order where that is small enough."""
        # (rows of the child,): the parent's row that each one is
        rows = positions_of(match.child, match.parent)
        candidates = [rows] if self._child.format != "delta" else []
        packed = next((p for p in (pack_rows(one) for one in (*candidates, np.sort(rows))) if self._is_small(p)), None)
        if packed is None:
            raise positions_refused(self._context, self._child, self._parents[number])
        is_once = len(np.unique(rows)) == len(rows)
        part = self._part(number, Positions(rows=packed.facts), "as_is" if is_once else "stored")
        return _Selected(part, packed, hashes[packed.numbers()])

    def _is_small(self, packed: PackedRows) -> bool:
        return is_small(self._context, self._child, packed)

    def _part(self, number: int, selector: Where | Positions, multiplicity: str) -> Part:
        reader, columns = self._readers.of(self._parents[number]), self._maps[number]
        theirs = {leaf.token: leaf.type for leaf in schema_leaves(reader.schema, self._context.lake.ignore_column_case)}
        maps = column_maps(columns, self._types, theirs)
        return Part(parent=self._parents[number], columns=maps, selector=selector, multiplicity=multiplicity)

    def _taken(self, number: int, hashes: Hashes, selector: Where, multiplicity: str) -> _Selected:
        return _Selected(self._part(number, selector, multiplicity), None, hashes)

    def _order(self, hashes: Hashes) -> tuple[RowOrder, PackedRows | None]:
        """Whether the selected rows stand in the child's order, and what it takes to restore it."""
        if np.array_equal(hashes, self._hashes):
            return RowOrder(state="kept"), None
        if self._child.format == "delta":
            return RowOrder(state="lost", reason="rows of a Delta table have no order"), None
        if not self._child.has_order:
            return RowOrder(state="lost", reason="the rows of its files come in another order"), None
        if self._context.config.restores_order:
            match = match_rows(self._hashes, hashes)
            packed = pack_rows(positions_of(match.child, match.parent))
            if self._is_small(packed):
                return RowOrder(state="restored", rows=packed.facts), packed
            cost = f"; to restore it takes {packed.facts.n_bytes:,} bytes"
            return RowOrder(state="lost", reason=f"its rows stand in another order than the parent's{cost}"), None
        return RowOrder(state="lost", reason="its rows stand in another order than the parent's"), None


def _share_out(child: Hashes, projected: Sequence[tuple[Hashes, Mask | None]], name: str) -> list[Integers]:
    """For each parent the child's rows that it provides: earlier parents first; more than all have, from the last.

    Raises:
        Refused: if no parent has a row.
    """
    left = np.arange(len(child), dtype=np.int64)
    shares: list[Integers] = []
    for number, (hashes, is_valid) in enumerate(projected):
        match = match_rows(child[left], hashes, is_valid)
        is_here = match.parent_counts[match.child] > 0
        if number < len(projected) - 1:
            is_here &= occurrence(match.child) < match.parent_counts[match.child]
        shares.append(left[is_here])
        left = left[~is_here]
    if len(left):
        raise Refused(
            "differs_strictly" if len(projected) == 1 else "not_contained",
            not_to_the_bit(len(left), len(child), name),
        )
    return shares


def term_of(term: RankTerm, columns: Sequence[RankedColumn]) -> Term:
    """The condition with values instead of ranks."""
    column = columns[term.column]
    if term.kind == "range":
        ends = (term.low, term.high) if term.has_ends else ()
        low, high = (constant_of(column.values[end]) for end in ends) if ends else (None, None)
        return Range(token=column.token, low=low, high=high, or_null=term.or_null)
    values = tuple(constant_of(column.values[rank]) for rank in term.ranks)
    if column.is_partition and len(values) + term.or_null == 1:
        return Equals(token=column.token, value=values[0] if values else None)
    return In(token=column.token, values=values, or_null=term.or_null)

"""Recipes of tables that no worker can hold: found and executed batch by batch.

What contains a child holds its values: so the child's own columns tell how tight a condition on the parent must be, and
one that selects as many rows as the child has is tried at once, by the digest of what it selects. Only where none does
are the rows themselves looked for, by their hashes. No permutation is kept for large tables, and no counts of rows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import LakeError, SourceError
from lakebed.connectors.lake.batches import ReadCounter
from lakebed.tasks.retention.recipes.attempt import (
    Refused,
    column_maps,
    concluded,
    is_small,
    not_to_the_bit,
    one_line,
    positions_refused,
    projected_hashes,
)
from lakebed.tasks.retention.recipes.digest import RowDigest, strict_hashes
from lakebed.tasks.retention.recipes.ends import Ends, described, equal_partitions
from lakebed.tasks.retention.recipes.files import require_like_files
from lakebed.tasks.retention.recipes.kernel.ranks import can_rank
from lakebed.tasks.retention.recipes.kernel.tight import Tight
from lakebed.tasks.retention.recipes.metadata import keep_metadata, require_metadata
from lakebed.tasks.retention.recipes.model import (
    Equals,
    Part,
    Positions,
    Recipe,
    RowOrder,
    StrictDigest,
    Where,
)
from lakebed.tasks.retention.recipes.reader import table_traits
from lakebed.tasks.retention.recipes.rebuild import holds
from lakebed.tasks.retention.recipes.row_numbers import pack_rows, write_rows
from lakebed.tasks.retention.recipes.shapes import schema_from_text
from lakebed.tasks.retention.recipes.spool import find_members, spool
from lakebed.tasks.retention.recipes.streams import n_rows_of, rebuilt_digest, table_cells
from lakebed.tasks.retention.recipes.write import require_traits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import Outcome, TableRef, Term
    from lakebed.tasks.retention.recipes.row_numbers import PackedRows
    from lakebed.tasks.retention.recipes.spool import Members
    from lakebed.tasks.retention.recipes.streams import Cells

_MAX_PAIR_TERMS = 16
_MAX_PARTITIONS_TRIED = 8
_NO_ROWS = np.empty(0, np.int64)


def synthesise_streamed(
    context: RecipeContext, child: TableRef, parents: Sequence[TableRef], columns: Sequence[Mapping[str, str]] | None
) -> Outcome:
    """As `synthesise`, for tables that a worker cannot hold; their results are not written to see whether they can be.

    Args:
        context: lake, folder of row numbers, key, limits.
        child: the table to be rebuilt.
        parents: one; with several, or text, there is no recipe.
        columns: for the parent the child's tokens → its own, where they are named otherwise.
    """
    counter = ReadCounter()

    def solve() -> tuple[Recipe, float]:
        if len(parents) > 1 or "text" in {table.read_via for table in (child, *parents)}:
            raise Refused("too_large", "several parents, or text, are compared in memory only, and they are too large")
        return _Search(described(context, child, parents[0], columns[0] if columns else None, counter)).solve()

    return concluded(child, parents, solve, lambda: counter.n_bytes)


class _Search:
    """The steps of the search, in their order."""

    def __init__(self, ends: Ends) -> None:
        self._context, self._ends = ends.context, ends
        self._traits = table_traits(ends.context.lake, ends.child)
        self._metadata = keep_metadata(ends.context, ends.child)
        self._schema = schema_from_text(ends.child.schema_ipc)
        try:
            require_traits(self._traits, self._schema, ends.child.name)
        except LakeError as error:
            raise Refused("cannot_be_written", one_line(error)) from error
        self._tight = {
            ends.columns[token]: Tight(type_, ends.context.config.max_in_values)
            for token, type_ in ends.types.items()
            if can_rank(type_) and can_rank(ends.theirs[ends.columns[token]])
        }
        self._digest = self._read_child()

    def solve(self) -> tuple[Recipe, float]:
        """The recipe and the seconds that its execution took.

        Raises:
            Refused: if there is none.
        """
        found = next(filter(None, map(self._tried, self._guesses())), None)
        return found or self._by_rows()

    def _read_child(self) -> StrictDigest:
        """The child's digest, and what its own columns say of any condition that selects it."""
        digest, tokens = RowDigest(self._context.key), list(self._ends.types)
        for cells in table_cells(self._ends.reader(self._ends.child), tokens):
            digest.add(strict_hashes(cells, self._context.key))
            for token, source in self._ends.columns.items():
                if source in self._tight and self._tight[source].type == cells[token].values.type:
                    self._tight[source].add(cells[token].values)
        return digest.of(self._schema)

    def _guesses(self) -> Iterator[tuple[Term, ...]]:
        """Conditions that select as many rows as the child has, the plainest first."""
        n_rows = self._digest.n_rows
        if self._ends.parent.n_rows == n_rows:
            yield ()
        terms = self._ends.terms(self._tight)
        yield from ((term,) for term in self._ends.far_partitions(n_rows)[:_MAX_PARTITIONS_TRIED])
        if (partitions := equal_partitions(terms)) and self._count([partitions]) == [n_rows]:
            yield partitions
        counts: dict[Term, int] = {}
        for term in terms:
            if term not in counts:
                same = [one for one in terms if one.token == term.token]
                counts |= zip(same, self._count([(one,) for one in same]), strict=True)
            if counts[term] == n_rows:
                yield (term,)

    def _count(self, conditions: Sequence[tuple[Term, ...]]) -> list[int]:
        """How many rows of the parent each condition selects, in one pass, which ends once all select too many."""
        counts = np.zeros(len(conditions), np.int64)
        tokens = list(dict.fromkeys(term.token for terms in conditions for term in terms))
        for cells in table_cells(self._ends.reader(self._ends.parent), tokens):
            for place, terms in enumerate(conditions):
                masks = [holds(term, cells[term.token].values) for term in terms]
                counts[place] += np.logical_and.reduce(masks).sum()
            if (counts > self._digest.n_rows).all():
                break
        return [int(count) for count in counts]

    def _tried(self, terms: tuple[Term, ...], multiplicity: str = "as_is") -> tuple[Recipe, float] | None:
        """The recipe of a condition, where what it selects is the child."""
        return self._executed(Where(shape=self._ends.shape(terms), terms=terms), multiplicity, None)

    def _executed(
        self, selector: Where | Positions, multiplicity: str, packed: PackedRows | None
    ) -> tuple[Recipe, float] | None:
        """Runs a recipe as it will be stored, on nothing but the parent's files; None where the rows are others.

        Raises:
            Refused: if the rows may not fit the child's files.
        """
        ends = self._ends
        maps = column_maps(ends.columns, ends.types, ends.theirs)
        part = Part(parent=ends.parent, columns=maps, selector=selector, multiplicity=multiplicity)
        order = RowOrder(state="lost", reason=ends.lost_order)
        recipe = Recipe(
            child=ends.child,
            parts=(part,),
            order=order,
            digest=self._digest,
            traits=self._traits,
            metadata=self._metadata,
        )
        started = time.monotonic()
        stored = Recipe.model_validate_json(recipe.model_dump_json())
        try:
            found = rebuilt_digest(self._context, stored, lambda _: packed.numbers() if packed else _NO_ROWS)
        except SourceError:
            # a value that is none of the child's type; a table that cannot be read fails again in the next step
            return None
        seconds = time.monotonic() - started
        if not found.is_same_table(self._digest):
            return None
        if found.sequence == self._digest.sequence:
            recipe = recipe.model_copy(update={"order": RowOrder(state="kept")})
        try:
            require_like_files(recipe)
            require_metadata(self._context, recipe)
        except LakeError as error:
            raise Refused("cannot_be_written", one_line(error)) from error
        return recipe, seconds

    def _by_rows(self) -> tuple[Recipe, float]:
        """Looks for the rows themselves: what selects them and none else, or their numbers.

        Raises:
            Refused: if there is no recipe.
        """
        members = self._members()
        if members.n_missing:
            rows = not_to_the_bit(members.n_missing, self._digest.n_rows, self._ends.child.name)
            raise Refused("differs_strictly", rows)
        if members.n_short:
            raise Refused("too_large", "equal rows would have to be counted, which is done for small tables only")
        if not members.n_surplus or members.most == 1:
            terms = self._condition(members)
            multiplicity = "distinct" if members.n_surplus else "as_is"
            if terms is not None and (found := self._tried(terms, multiplicity)):
                return found
        packed = pack_rows(np.flatnonzero(members.is_chosen))
        if not is_small(self._context, self._ends.child, packed):
            raise positions_refused(self._context, self._ends.child, self._ends.parent)
        found = self._executed(Positions(rows=packed.facts), "as_is", packed)
        if found is None:
            raise Refused("differs_strictly", f"the rebuilt rows are not those of {self._ends.child.name}")
        write_rows(self._context.folder, packed)
        return found

    def _members(self) -> Members:
        """The parent's rows that are rows of the child."""
        ends, key = self._ends, self._context.key
        with spool() as mine, spool() as theirs:
            for cells in table_cells(ends.reader(ends.child), list(ends.types)):
                mine.add(strict_hashes(cells, key))
            for cells in table_cells(ends.reader(ends.parent), list(dict.fromkeys(ends.columns.values()))):
                hashes, is_valid = projected_hashes(cells, ends.columns, ends.types, key)
                theirs.add(hashes if is_valid is None else np.where(is_valid[:, None], hashes, np.uint64(0)))
            return find_members(mine, theirs)

    def _condition(self, members: Members) -> tuple[Term, ...] | None:
        """The first condition, or two, under which no other row falls; the child's own columns and partitions first."""
        others = {
            token: Tight(type_, self._context.config.max_in_values)
            for token, type_ in self._ends.theirs.items()
            if token not in self._tight and can_rank(type_)
        }
        start = 0
        for cells in table_cells(self._ends.reader(self._ends.parent), list(others)) if others else ():
            end = start + n_rows_of(cells)
            is_member, start = members.is_member[start:end], end
            for token, tight in others.items():
                tight.add(cells[token].values.filter(pa.array(is_member)))
        near = {token: tight for token, tight in others.items() if token in self._ends.partitions}
        terms = self._ends.terms(self._tight | near)
        found = self._excluding(terms, members)
        if found is None and len(near) < len(others):
            found = self._excluding(
                [*terms, *self._ends.terms({t: one for t, one in others.items() if t not in near})], members
            )
        return found

    def _excluding(self, terms: Sequence[Term], members: Members) -> tuple[Term, ...] | None:
        """The first of the attempts that selects no row that is not the child's."""
        if members.is_member.all():
            return ()
        wrong = _Wrong(terms)
        tokens, start = list(dict.fromkeys(term.token for term in terms)), 0
        for cells in table_cells(self._ends.reader(self._ends.parent), tokens) if tokens else ():
            end = start + n_rows_of(cells)
            is_other, start = pa.array(~members.is_member[start:end]), end
            if not wrong.add({token: leaf.filter(is_other) for token, leaf in cells.items()}):
                return None
        return wrong.first()


class _Wrong:
    """Which conditions, alone, two together, or all partitions together, have selected a wrong row."""

    def __init__(self, terms: Sequence[Term]) -> None:
        n = min(len(terms), _MAX_PAIR_TERMS)
        self._terms = terms
        self._alone = np.zeros(len(terms), np.bool_)
        self._together = np.tri(n, dtype=np.bool_)
        self._partitions = equal_partitions(terms)
        self._is_partitions_wrong = not self._partitions

    def add(self, cells: Cells) -> bool:
        """Takes in rows that must not be selected; whether any condition is left."""
        if n_rows_of(cells):
            # (terms, rows)
            held = np.stack([holds(term, cells[term.token].values) for term in self._terms])
            self._alone |= held.any(axis=1)
            some = held[: len(self._together)].astype(np.float32)
            self._together |= some @ some.T > 0
            if self._partitions:
                chosen = [n for n, term in enumerate(self._terms) if isinstance(term, Equals)]
                self._is_partitions_wrong |= bool(held[chosen].all(axis=0).any())
        return not (self._alone.all() and self._together.all() and self._is_partitions_wrong)

    def first(self) -> tuple[Term, ...] | None:
        """The first condition that has selected none."""
        if not self._is_partitions_wrong:
            return self._partitions
        alone = np.flatnonzero(~self._alone)
        if len(alone):
            return (self._terms[alone[0]],)
        pairs = np.argwhere(~self._together)
        return tuple(self._terms[n] for n in pairs[0]) if len(pairs) else None

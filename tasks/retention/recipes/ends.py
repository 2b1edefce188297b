"""A child and its parent as a trial batch by batch knows them, and the conditions that may select one in the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.leaves import schema_leaves
from lakebed.connectors.lake.read import partition_scalar
from lakebed.tasks.retention.recipes.attempt import require_columns
from lakebed.tasks.retention.recipes.constants import constant_of
from lakebed.tasks.retention.recipes.model import Equals, In, Range
from lakebed.tasks.retention.recipes.reader import StreamReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakebed.connectors.lake.batches import ReadCounter
    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.kernel.tight import Tight
    from lakebed.tasks.retention.recipes.model import TableRef, Term

_ORDER = "its rows stand in another order than the parent's, and large tables get no permutation"


@dataclass(frozen=True)
class Ends:
    """A child and its parent, described.

    Attributes:
        columns: the child's tokens → the parent's.
        types: of the child's leaves; `theirs` of the parent's.
    """

    context: RecipeContext
    child: TableRef
    parent: TableRef
    columns: Mapping[str, str]
    types: Mapping[str, pa.DataType]
    theirs: Mapping[str, pa.DataType]
    counter: ReadCounter

    @property
    def partitions(self) -> set[str]:
        """The parent's partition columns."""
        return {leaf.token for leaf in self.parent.leaves if leaf.is_partition}

    @property
    def lost_order(self) -> str:
        """Why the order of the rows is lost, where it is."""
        if self.child.format == "delta":
            return "rows of a Delta table have no order"
        return _ORDER if self.child.is_one_file else "the rows of its files come in another order"

    def reader(self, table: TableRef) -> StreamReader:
        """A reader of either table, which has nothing to digest any more."""
        return StreamReader(self.context.lake, table, self.counter)

    def terms(self, tight: Mapping[str, Tight]) -> list[Term]:
        """The tight conditions of columns of the parent, equality first, then ranges and lists, by column."""
        found: list[Term] = []
        for token, one in tight.items():
            found += self._terms_of(token, one)
        return sorted(found, key=_plainness)

    def _terms_of(self, token: str, tight: Tight) -> list[Term]:
        is_partition, or_null = token in self.partitions, tight.has_null
        if tight.has_nan:
            return []
        if tight.low is None or tight.high is None:
            return [Equals(token=token, value=None) if is_partition else In(token=token, values=(), or_null=True)]
        try:
            low, high = (constant_of(pc.cast(end, self.theirs[token])) for end in (tight.low, tight.high))
            listed = tuple(constant_of(pc.cast(value, self.theirs[token])) for value in tight.values())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return []
        if low == high:
            if is_partition and not or_null:
                return [Equals(token=token, value=low)]
            return [In(token=token, values=(low,), or_null=or_null)]
        terms: list[Term] = [Range(token=token, low=low, high=high, or_null=or_null)]
        terms += [] if or_null else [Range(token=token)]
        return [*terms, In(token=token, values=listed, or_null=or_null)] if listed else terms

    def far_partitions(self, n_rows: int) -> list[Term]:
        """Partitions of so many rows, by columns that the child has not; the reference says how large each is."""
        types = {leaf.token: leaf.type for leaf in self.parent.leaves if leaf.is_partition}
        sizes: Counter[tuple[str, str | None]] = Counter()
        for file in self.parent.files:
            for token, text in file.partition_values:
                if token in types and token not in self.columns.values():
                    sizes[token, text] += file.n_rows
        found = [(token, partition_scalar(text, types[token])) for (token, text), n in sizes.items() if n == n_rows]
        return [Equals(token=token, value=constant_of(one) if one.is_valid else None) for token, one in found]

    def shape(self, terms: Sequence[Term]) -> str:
        """The name of a condition's shape."""
        if terms and all(isinstance(term, Equals) and term.token in self.partitions for term in terms):
            return "partition"
        if len(terms) != 1:
            return "conjunction" if terms else "all"
        return "range" if isinstance(terms[0], Range) else "in"


def _plainness(term: Term) -> int:
    if isinstance(term, Equals):
        return 0
    return 1 if isinstance(term, In) and len(term.values) < 2 else 2


def described(
    context: RecipeContext,
    child: TableRef,
    parent: TableRef,
    columns: Mapping[str, str] | None,
    counter: ReadCounter,
) -> Ends:
    """Both tables, described.

    Raises:
        Refused: if the parent lacks a column.
        PlanError, SourceError: if a table has changed, or cannot be read.
    """
    readers = [StreamReader(context.lake, table, counter, by_mark=True) for table in (child, parent)]
    for reader in readers:
        reader.require_whole_timestamps()
    child, parent = (reader.describe() for reader in readers)
    types, theirs = (
        {leaf.token: leaf.type for leaf in schema_leaves(reader.schema, context.lake.ignore_column_case)}
        for reader in readers
    )
    maps = dict(columns) if columns else {token: token for token in types}
    require_columns(child, parent, maps)
    return Ends(context, child, parent, maps, types, theirs, counter)


def equal_partitions(terms: Sequence[Term]) -> tuple[Term, ...]:
    """The equalities of partition columns, where there are several."""
    found = tuple(term for term in terms if isinstance(term, Equals))
    return found if len(found) > 1 else ()

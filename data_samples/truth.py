"""The truth about a sample lake: for every pair whose schemas nest, whether the rows do."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.types as pt

from lakebed.data_samples.model import Family, SampleTable

Semantics = Literal["set", "bag"]


@dataclass(frozen=True)
class TrueTable:
    """A table as the generator made it; `is_vacuous` when it is empty or all its cells are null."""

    name: str
    path: str
    format: str
    n_rows: int
    n_columns: int
    is_vacuous: bool
    note: str


@dataclass(frozen=True)
class TruePair:
    """An ordered pair with the child's schema in the parent's; `why` is for people."""

    child: str
    parent: str
    is_set_contained: bool
    is_bag_contained: bool
    why: str

    def holds(self, semantics: Semantics) -> bool:
        """Whether the child is contained in the parent."""
        return self.is_set_contained if semantics == "set" else self.is_bag_contained


@dataclass(frozen=True)
class Truth:
    """All that is known about a sample lake.

    Attributes:
        stamp: what made the lake: generator version, seed, library versions.
        unreadable: name of each table that cannot be read → why.
    """

    stamp: dict[str, str]
    tables: tuple[TrueTable, ...]
    pairs: tuple[TruePair, ...]
    unreadable: dict[str, str]

    def contained(self, semantics: Semantics) -> set[tuple[str, str]]:
        """The ordered pairs (child, parent) that are contained."""
        return {(pair.child, pair.parent) for pair in self.pairs if pair.holds(semantics)}

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_truth(path: Path) -> Truth:
    """Read what `Truth.save` wrote."""
    record = json.loads(path.read_text(encoding="utf-8"))
    return Truth(
        stamp=record["stamp"],
        tables=tuple(TrueTable(**table) for table in record["tables"]),
        pairs=tuple(TruePair(**pair) for pair in record["pairs"]),
        unreadable=record["unreadable"],
    )


def check_against_truth(truth: Truth, proven_pairs: Iterable[tuple[str, str]], semantics: Semantics) -> list[str]:
    """The differences between proven (child, parent) pairs and the truth, one sentence each; empty when equal."""
    proven, contained = set(proven_pairs), truth.contained(semantics)
    why = {(pair.child, pair.parent): pair.why for pair in truth.pairs}
    missing = [f"not proven: {child} in {parent} ({why[child, parent]})" for child, parent in contained - proven]
    wrong = [
        f"proven but untrue: {child} in {parent} ({why.get((child, parent), 'their schemas do not nest')})"
        for child, parent in proven - contained
    ]
    return sorted(missing) + sorted(wrong)


def true_pairs(families: Sequence[Family]) -> tuple[TruePair, ...]:
    """The truth that follows from the claims: a chain of claims joins a contained pair, nothing else does."""
    tables = [table for family in families for table in family.tables]
    claims = [claim for family in families for claim in family.claims]
    set_parents = _reachable((claim.child, claim.parent) for claim in claims)
    bag_parents = _reachable((claim.child, claim.parent) for claim in claims if claim.is_bag)
    whys = {(claim.child, claim.parent): claim.why for claim in claims}
    return tuple(_true_pair(child, parent, set_parents, bag_parents, whys) for child, parent in schema_pairs(tables))


def schema_pairs(tables: Sequence[SampleTable]) -> Iterator[tuple[SampleTable, SampleTable]]:
    """The ordered pairs of different tables in which each leaf of the child is a leaf of the parent."""
    leaves = [frozenset(leaf_paths(table.data.schema)) for table in tables]
    for child, child_leaves in zip(tables, leaves, strict=True):
        for parent, parent_leaves in zip(tables, leaves, strict=True):
            if child is not parent and child_leaves <= parent_leaves:
                yield child, parent


def leaf_paths(schema: pa.Schema) -> list[tuple[str | int, ...]]:
    """Paths of the leaves; the second column of one name ends in 2, arrays and maps are leaves."""
    paths: list[tuple[str | int, ...]] = []
    n_seen: dict[str, int] = {}
    for column in schema:
        n_seen[column.name] = n_seen.get(column.name, 0) + 1
        repeat = (n_seen[column.name],) if n_seen[column.name] > 1 else ()
        paths += _paths_below(column.type, (column.name, *repeat))
    return paths


def is_vacuous(data: pa.Table) -> bool:
    """Whether there is nothing to compare: no row, or no cell that is not null."""
    return data.num_rows == 0 or all(column.null_count == data.num_rows for column in data.columns)


def _paths_below(kind: pa.DataType, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    if not pt.is_struct(kind):
        return [path]
    return [leaf for child in kind for leaf in _paths_below(child.type, (*path, child.name))]


def _true_pair(
    child: SampleTable,
    parent: SampleTable,
    set_parents: Mapping[str, set[str]],
    bag_parents: Mapping[str, set[str]],
    whys: Mapping[tuple[str, str], str],
) -> TruePair:
    if is_vacuous(child.data):
        return TruePair(child.name, parent.name, True, True, f"by definition: {child.note}")
    in_set = parent.name in set_parents.get(child.name, ())
    in_bag = parent.name in bag_parents.get(child.name, ())
    notes = f"{child.note} | {parent.note}"
    why = whys.get((child.name, parent.name), f"follows from others: {notes}" if in_set else notes)
    return TruePair(child.name, parent.name, in_set, in_bag, why)


def _reachable(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Transitive closure; containment is transitive under either semantics."""
    parents: dict[str, set[str]] = {}
    for child, parent in edges:
        parents.setdefault(child, set()).add(parent)
    closed = {name: set(direct) for name, direct in parents.items()}
    while any(_grow(closed, name) for name in closed):
        pass
    return closed


def _grow(closed: dict[str, set[str]], name: str) -> bool:
    farther = set().union(*(closed.get(parent, set()) for parent in closed[name]))
    is_growing = not farther <= closed[name]
    closed[name] |= farther
    return is_growing

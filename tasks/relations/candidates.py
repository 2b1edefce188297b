"""What samples propose: pairs for near misses and parts, sets of parents for unions, column maps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.encoding.sketch import MIN_SAMPLE_ROWS, containment_intervals
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.kernel.columns import ColumnSamples, match_columns, propose_tables
from lakebed.tasks.relations.kernel.overlap import ItemSamples, Overlaps, Postings, count_uncovered
from lakebed.tasks.relations.parts import Part


@dataclass(frozen=True)
class KnownEdges:
    """What containment found: the proven edges, and exact counts of pairs that its row hashes refuted.

    Shapes: (k,) each. `counts` gives, by (child, parent), distinct rows of the child and those missing.
    """

    child: Int32
    parent: Int32
    is_mutual: NDArray[np.bool_]
    is_coincidental: NDArray[np.bool_]
    counts: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def pairs(self) -> set[tuple[int, int]]:
        """(child, parent) of each."""
        return set(zip(self.child.tolist(), self.parent.tolist(), strict=True))

    def contained(self) -> set[int]:
        """Tables that lie in a larger one, not by coincidence: those need no union."""
        return set(self.child[~self.is_mutual & ~self.is_coincidental].tolist())


@dataclass(frozen=True)
class NearPairs:
    """Near misses.

    Shapes: child, parent, n_compared, n_missing, is_exact (k,); fractions (3, k): share, low, high; n_distinct (2, k)
    estimated distinct rows of the child, and of the parent on the child's columns.
    """

    child: Int64
    parent: Int64
    n_compared: Int64
    n_missing: Int64
    is_exact: NDArray[np.bool_]
    fractions: NDArray[np.float64]
    n_distinct: Int64

    def take(self, rows: Int64) -> "NearPairs":
        """The pairs in the given rows."""
        return NearPairs(
            self.child[rows],
            self.parent[rows],
            self.n_compared[rows],
            self.n_missing[rows],
            self.is_exact[rows],
            self.fractions[:, rows],
            self.n_distinct[:, rows],
        )


@dataclass(frozen=True)
class PartPair:
    """A part that may lie in a table."""

    part: Part
    parent: int


@dataclass(frozen=True)
class UnionCandidate:
    """A table, and those that may cover it together."""

    child: int
    parents: tuple[int, ...]


@dataclass(frozen=True)
class RenamedCandidate:
    """A table that may lie in another under a column map: `targets` (k,) entries of the parent's columns."""

    child: int
    parent: int
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Candidates:
    """What goes to the exact comparison, and the near misses, which do not."""

    near: NearPairs
    parts: tuple[PartPair, ...]
    unions: tuple[UnionCandidate, ...]
    renamed: tuple[RenamedCandidate, ...]


def near_pairs(samples: ItemSamples, overlaps: Overlaps, known: KnownEdges, config: RelationsConfig) -> NearPairs:
    """Pairs of tables of which at least the threshold's share is found; proven pairs are left out.

    Where both kept every row the share is exact. Else it is that of a simple random sample of the child's distinct
    rows, with the interval of Clopper and Pearson (1934), given from 30 sampled rows up. What containment has counted
    is judged by its counts, however few rows were sampled.
    """
    level, item = samples.level, samples.item
    overlaps = overlaps.take(np.flatnonzero(_are_tables(samples, overlaps)))
    pairs = _pair_ids(samples, item[overlaps.child], item[overlaps.other])
    is_open = ~np.isin(pairs, _pair_ids(samples, known.child, known.parent))
    counted = np.array(list(known.counts), np.int64).reshape(-1, 2)
    is_counted = np.isin(pairs, _pair_ids(samples, counted[:, 0], counted[:, 1]))
    is_exact = (level[overlaps.child] == 0) & (level[overlaps.other] == 0)
    is_enough = overlaps.n_found >= config.near_threshold * overlaps.n_compared
    is_told = is_exact | (overlaps.n_compared >= MIN_SAMPLE_ROWS)
    kept = np.flatnonzero(is_open & (is_counted | (is_enough & is_told)))
    share = overlaps.n_found[kept] / np.maximum(1, overlaps.n_compared[kept])
    kept = kept[np.argsort(-share, kind="stable")[: config.max_candidates]]
    found, exact = overlaps.take(kept), is_exact[kept]
    n_missing = found.n_compared - found.n_found
    fractions = containment_intervals(found.n_compared, n_missing, config.confidence)
    fractions[:, exact] = (found.n_found / np.maximum(1, found.n_compared))[exact]
    n_rows = np.diff(samples.indptr) << level
    n_distinct = np.stack([n_rows[found.child], n_rows[found.other]])
    estimated = NearPairs(
        item[found.child].astype(np.int64),
        item[found.other].astype(np.int64),
        found.n_compared,
        n_missing,
        exact,
        fractions,
        n_distinct,
    )
    return _counted(estimated, known, config.near_threshold)


def _counted(near: NearPairs, known: KnownEdges, threshold: float) -> NearPairs:
    """With exact counts where containment has compared all rows; those that fall below the threshold go."""
    pairs = zip(near.child.tolist(), near.parent.tolist(), strict=True)
    counts = {place: known.counts[pair] for place, pair in enumerate(pairs) if pair in known.counts}
    places = np.array(list(counts), np.int64)
    numbers = np.array(list(counts.values()), np.int64).reshape(-1, 2)
    n_compared, n_missing = near.n_compared.copy(), near.n_missing.copy()
    is_exact, fractions = near.is_exact.copy(), near.fractions.copy()
    n_compared[places], n_missing[places], is_exact[places] = numbers[:, 0], numbers[:, 1], True
    fractions[:, places] = 1 - numbers[:, 1] / np.maximum(1, numbers[:, 0])
    found = replace(near, n_compared=n_compared, n_missing=n_missing, is_exact=is_exact, fractions=fractions)
    return found.take(np.flatnonzero(fractions[0] >= threshold))


def part_pairs(
    samples: ItemSamples, overlaps: Overlaps, parts: Mapping[int, Part], known: KnownEdges
) -> Iterator[PartPair]:
    """Parts all of whose sampled rows another table has, which does not hold the part's whole table."""
    edges = known.pairs()
    child, other = samples.item[overlaps.child], samples.item[overlaps.other]
    is_whole = (overlaps.n_found == overlaps.n_compared) & (child >= samples.n_tables)
    is_whole &= other < samples.n_tables
    for item, parent in zip(child[is_whole].tolist(), other[is_whole].tolist(), strict=True):
        part = parts.get(item)
        if part is not None and parent != part.table_id and (part.table_id, parent) not in edges:
            yield PartPair(part, parent)


def union_candidates(
    samples: ItemSamples, overlaps: Overlaps, postings: Postings, known: KnownEdges, config: RelationsConfig
) -> list[UnionCandidate]:
    """Tables that lie in no larger one, all of whose sampled rows some of the related tables have.

    Parents are the tables that share a sampled row, and those proven to lie in the child; never those that hold all of
    the child. At most `max_union_parents`, those that share the most first.
    """
    candidates = dict(_possible_parents(samples, overlaps, known))
    if not candidates:
        return []
    children = np.array(list(candidates), np.int64)
    allowed = [parents[: config.max_union_parents] for parents in candidates.values()]
    offsets = np.cumsum([0, *map(len, allowed)], dtype=np.int64)
    n_open = count_uncovered(samples, postings, children, (offsets, np.concatenate(allowed)))
    return [
        UnionCandidate(int(samples.item[entry]), tuple(samples.item[parents].tolist()))
        for entry, parents, n in zip(children.tolist(), allowed, n_open.tolist(), strict=True)
        if n == 0
    ]


def _possible_parents(samples: ItemSamples, overlaps: Overlaps, known: KnownEdges) -> Iterator[tuple[int, Int64]]:
    """Entries of children with those of two possible parents or more, the ones that share the most first."""
    edges, contained = known.pairs(), known.contained()
    inside: dict[int, list[int]] = {}
    for child, parent in edges:
        inside.setdefault(parent, []).append(child)
    spans = np.searchsorted(overlaps.child, np.arange(len(samples.item) + 1))
    keys = zip(samples.projection.tolist(), samples.item.tolist(), strict=True)
    entry_of = {key: entry for entry, key in enumerate(keys)}
    for entry in np.flatnonzero(samples.is_child).tolist():
        item, projection = int(samples.item[entry]), int(samples.projection[entry])
        if item >= samples.n_tables or item in contained:
            continue
        mine = slice(spans[entry], spans[entry + 1])
        shared = dict(zip(overlaps.other[mine].tolist(), overlaps.n_found[mine].tolist(), strict=True))
        for table in inside.get(item, ()):
            if (projection, table) in entry_of:
                shared.setdefault(entry_of[projection, table], 0)
        parents = [other for other in shared if samples.item[other] < samples.n_tables]
        parents = [other for other in parents if (item, int(samples.item[other])) not in edges]
        parents.sort(key=lambda other: (-(shared[other] << int(samples.level[other])), other))
        if len(parents) > 1:
            yield entry, np.array(parents, np.int64)


def renamed_candidates(
    lake: LakeStatistics, columns: ColumnSamples, known: KnownEdges, config: RelationsConfig
) -> Iterator[RenamedCandidate]:
    """Pairs with a map under which samples and bounds let the child lie in the parent; at least one name differs."""
    edges = known.pairs()
    token, least = lake.bounds.token, config.min_renamed_columns
    children, parents = propose_tables(lake.bounds, columns, config.max_postings)
    for child, parent in zip(children.tolist(), parents.tolist(), strict=True):
        if (child, parent) in edges or lake.bounds.indptr[child + 1] - lake.bounds.indptr[child] < least:
            continue
        targets = match_columns(lake.bounds, columns, child, parent)
        if targets is not None and (token[targets] != token[lake.columns_of(child)]).any():
            yield RenamedCandidate(child, parent, tuple(targets.tolist()))


def _pair_ids(samples: ItemSamples, child: NDArray[Any], parent: NDArray[Any]) -> Int64:
    """One number for each pair of tables, (k,)."""
    return child.astype(np.int64) * samples.n_tables + parent.astype(np.int64)


def _are_tables(samples: ItemSamples, overlaps: Overlaps) -> NDArray[np.bool_]:
    limit = samples.n_tables
    are: NDArray[np.bool_] = (samples.item[overlaps.child] < limit) & (samples.item[overlaps.other] < limit)
    return are

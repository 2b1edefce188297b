"""The items of the exact comparison, numbered, and what is wanted of each."""

from collections.abc import Collection, Mapping

import numpy as np

from lakebed.tasks.containment.jobs import PairList
from lakebed.tasks.containment.scan import projection_of
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.relations.candidates import Candidates
from lakebed.tasks.relations.held import Place
from lakebed.tasks.relations.jobs import Asked
from lakebed.tasks.relations.kernel.exact import UnionAsked
from lakebed.tasks.relations.parts import Part
from lakebed.tasks.relations.plan import Wanted
from lakebed.tasks.relations.previous import Readings, digest_of


class Items:
    """The items of the exact comparison: tables, parts, and views of tables under other names."""

    def __init__(self, lake: LakeStatistics, readings: Readings) -> None:
        self._lake, self._readings = lake, readings
        self._next = max(readings.parts, default=len(lake.names) - 1) + 1
        self._views: dict[tuple[int, int, tuple[str, ...]], int] = {}
        self._viewed: dict[int, tuple[int, tuple[str, ...]]] = {}
        self._seen: set[tuple[int, int]] = set()
        self.wanted: dict[int, list[Wanted]] = {}
        self.labels: dict[int, tuple[int, tuple[str, ...]]] = {}
        self.n_rows = 0

    def ask(self, found: Candidates, key: bytes) -> Asked:
        """Adds the items of every candidate, and says what to compare, under the key of the row hashes."""
        pairs: list[tuple[int, int, int]] = []
        for pair in found.parts:
            schema = self._schema(pair.part.table_id)
            pairs.append((schema, self._part(pair.part, schema), self._table(pair.parent, schema)))
        for renamed in found.renamed:
            schema = self._schema(renamed.child)
            tokens = tuple(self._lake.tokens[token] for token in self._lake.bounds.token[list(renamed.targets)])
            pairs.append((schema, self._table(renamed.child, schema), self._under_map(renamed.parent, schema, tokens)))
        unions = []
        for union in found.unions:
            schema = self._schema(union.child)
            child = self._table(union.child, schema)
            parents = tuple(self._table(parent, schema) for parent in union.parents)
            unions.append(UnionAsked(self.labels[schema][0], child, parents))
        # three columns of the asked pairs, (k,) each: schema, child, parent
        ids = np.array([self.labels[schema][0] for schema, _, _ in pairs], np.int64)
        children = np.array([child for _, child, _ in pairs], np.int32)
        parents_of = np.array([parent for _, _, parent in pairs], np.int32)
        return Asked(PairList(ids, children, parents_of, key), tuple(unions))

    def keys(self, asked: Asked, bits: int) -> list[bytes]:
        """Of pairs, and then of unions: digests of all that their counts follow from.

        Those of a union follow from the buckets, too, where it has too many sets of parents.
        """
        pairs = asked.pairs
        columns = (pairs.projection.tolist(), pairs.child.tolist(), pairs.parent.tolist())
        found = [
            digest_of([projection, self._told(child), self._told(parent)])
            for projection, child, parent in zip(*columns, strict=True)
        ]
        found += [
            digest_of([one.projection, self._told(one.child), [self._told(parent) for parent in one.parents], bits])
            for one in asked.unions
        ]
        return found

    def of(self, asked: Asked, held: Collection[Place]) -> Mapping[int, list[Wanted]]:
        """What is wanted of each table for these alone, and not held."""
        samples = set(asked.samples()) - set(held)
        kept = {
            table: [one for one in wanted if (self.labels[one.projection][0], one.item) in samples]
            for table, wanted in self.wanted.items()
        }
        return {table: wanted for table, wanted in kept.items() if wanted}

    def _told(self, item: int) -> list[object]:
        table, tokens = self._viewed.get(item, (item, None))
        return [*self._readings.of(table), tokens]

    def _schema(self, table: int) -> int:
        schema = int(self._lake.groups.schema_of_table[table])
        if schema not in self.labels:
            self.labels[schema] = projection_of(self._lake.projection_tokens(schema))
        return schema

    def _table(self, table: int, schema: int) -> int:
        self._want(table, Wanted(table, schema, self.labels[schema][1], None, 0), int(self._lake.n_rows[table]))
        return table

    def _part(self, part: Part, schema: int) -> int:
        self._want(part.table_id, Wanted(part.item, schema, self.labels[schema][1], part.paths, 0), part.n_rows)
        return part.item

    def _under_map(self, table: int, schema: int, tokens: tuple[str, ...]) -> int:
        item = self._views.setdefault((table, schema, tokens), self._next)
        self._viewed[item] = table, tokens
        self._next = max(self._next, item + 1)
        self._want(table, Wanted(item, schema, tokens, None, 0), int(self._lake.n_rows[table]))
        return item

    def _want(self, table: int, wanted: Wanted, n_rows: int) -> None:
        key = (wanted.item, wanted.projection)
        if key not in self._seen:
            self._seen.add(key)
            self.wanted.setdefault(table, []).append(wanted)
            self.n_rows += n_rows

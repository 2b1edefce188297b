"""Questions to the index of a lake, from Python, the command line and HTTP alike."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.tasks.index.evidence import Evidence
from lakebed.tasks.index.folder import open_folder
from lakebed.tasks.index.kernel.ngrams import has_words, match
from lakebed.tasks.index.stage import INDEX
from lakebed.tasks.index.vector_index import NamedIndex, unknown_id
from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.judge import Judge, judge_of
from lakebed.tasks.keys.kernel.columns import Lake
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.search.config import SearchConfig
from lakebed.tasks.search.distances import ColumnVectors, TableVectors
from lakebed.tasks.search.joins import Joiner
from lakebed.tasks.search.kernel.unions import AskedTable, UnionLake
from lakebed.tasks.search.model import Neighbour
from lakebed.tasks.search.names import LakeNames
from lakebed.tasks.search.predictions import PredictedLinks, read_predicted
from lakebed.tasks.search.reasons import DECIMALS, Containments, Reasons, rounded
from lakebed.tasks.search.tables import Answer, Wanted, answers


class LakeSearch:
    """One index artifact, its files read as questions need them.

    Args:
        store: where the artifacts lie.
        refs: of a run, by stage; `index` must be there; `containment` and `links` add proven containments and predicted
            links to why, `keys` says who judges.
        config: bounds.

    Raises:
        ArtifactError: if another version of lakebed has made the index, or it is missing.
    """

    def __init__(
        self, store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: SearchConfig | None = None
    ) -> None:
        self._store, self._refs = store, refs
        self._config = config or SearchConfig()
        _require_version(store, refs["index"])
        self._uri = store.folder("index", refs["index"].key)
        self.evidence = Evidence(self._uri)
        self.names = LakeNames(self.evidence)

    @cached_property
    def tables(self) -> NamedIndex:
        """The index of tables."""
        return open_folder(f"{self._uri}/vectors/table")

    @cached_property
    def columns(self) -> NamedIndex:
        """The index of columns."""
        return open_folder(f"{self._uri}/vectors/column")

    @cached_property
    def containments(self) -> Containments:
        """Proven (child, parent) pairs, and whether each is coincidental; none where no run looked for them."""
        if "containment" not in self._refs:
            return {}
        edges = self._store.read(self._refs["containment"], "edges", ["child", "parent", "coincidental"])
        pairs = zip(edges["child"].to_pylist(), edges["parent"].to_pylist(), strict=True)
        return dict(zip(pairs, edges["coincidental"].to_pylist(), strict=True))

    @cached_property
    def predicted(self) -> PredictedLinks:
        """Likely missing links; none where no predictor was trained on this graph."""
        return read_predicted(self._store, self._refs, self.names.number_of, self.evidence.table_of)

    @cached_property
    def unions(self) -> UnionLake:
        """What tables are compared by."""
        return UnionLake(self.evidence.lake, self.evidence.folded_postings, self.evidence.likeness)

    @cached_property
    def judge(self) -> Judge:
        """Who judged the run's keys."""
        if "keys" not in self._refs:
            return judge_of(KeysConfig())
        summary = self._store.manifest(self._refs["keys"]).summary
        return judge_of(KeysConfig(model="rule" if summary.get("model") == "rule" else "trees"))

    def similar(
        self, table: str, k: int = 10, *, near: bool = False, union: bool = False, novel: bool = False
    ) -> list[Neighbour]:
        """The k tables most like a table, so that they could be put under it.

        Args:
            table: its name.
            k: how many.
            near: whether tables that have nothing in common, and are only near in the graph, are answers too.
            union: whether only those are that two fifths of its columns have a partner in.
            novel: the same, of the hundred most alike those of most new rows first.

        Raises:
            ConfigError: if there is no such table (near names are told), or k is out of bounds.
            ArtifactError: if the index is damaged.
        """
        self._require_k(k)
        asked = self.unions.asked(self.names.table(table))
        return self._similar(asked, Wanted(k, near, union, novel))

    def similar_to(
        self, asked: AskedTable, k: int = 10, *, near: bool = False, union: bool = False, novel: bool = False
    ) -> list[Neighbour]:
        """The same for a table that is not in the lake (see `query_file`).

        Its vector is the mean of those of the best tables, by how much of it they hold; it is near nothing where they
        hold nothing.
        """
        self._require_k(k)
        return self._similar(asked, Wanted(k, near, union, novel))

    def joinable(self, column: str, k: int = 10, *, near: bool = False) -> list[Neighbour]:
        """The k columns of other tables that a column can best be joined with; see `joins.py` for their order.

        Args:
            column: `TABLE.COLUMN`, or the JSON text of the list of table and path.
            k: how many.
            near: whether columns of near vectors that share no value are answers too.

        Raises: as `similar`.
        """
        self._require_k(k)
        number = self.names.column(column)
        joins = self.joiner.ranked(number)
        ranked = joins.column[:k].tolist()
        (vector,) = self._column_vectors.of([number])
        if near and len(ranked) < k:
            ranked += self._column_vectors.nearest(vector, number, joins.column, k - len(ranked))
        away = self._column_vectors.away(vector, ranked)
        whys = (self._reasons.of_columns(number, other) | joins.why(at) for at, other in enumerate(ranked))
        named = zip(ranked, away, whys, strict=True)
        return [Neighbour("column", self.names.label(other), rounded(far), why) for other, far, why in named]

    def joinable_to(self, table: Lake, values: pa.Table, column: str, k: int = 10) -> list[Neighbour]:
        """The same for a column of a table that is not in the lake.

        Args:
            table: a lake of this table alone (see `query_file`).
            values: its `column_values`.
            column: name of the column.
            k: how many.

        Raises:
            ConfigError: if the table has no such column (near names are told), or k is out of bounds.
            ArtifactError: if the index is damaged.
        """
        self._require_k(k)
        if column not in table.names:
            raise unknown_id(column, table.names)
        joins = self.joiner.ranked_outside(table, values, list(table.names).index(column))
        return [
            Neighbour("column", self.names.label(other), None, self._reasons.of_outside(column, other, joins, at))
            for at, other in enumerate(joins.column[:k].tolist())
        ]

    def search(self, text: str, k: int = 10) -> list[Neighbour]:
        """The k tables and columns whose names or frequent values are most like a text, whole parts of names first.

        Raises:
            ConfigError: if the text is empty or too long, or k is out of bounds.
        """
        self._require_k(k)
        if not text.strip() or len(text) > self._config.max_text_chars:
            raise ConfigError(
                "the text to search for is empty or too long",
                value=f"{len(text):,} characters",
                expected=f"1 to {self._config.max_text_chars:,}",
            )
        texts, words = self.evidence.texts, self.names.words
        distance, is_whole = match(texts.index, text), np.zeros(len(texts.number), np.bool_)
        # names stand before values
        is_whole[: len(words)] = has_words(words, text)
        best: dict[tuple[str, str], Neighbour] = {}
        for place in np.lexsort((distance, ~is_whole))[: 20 * k].tolist():
            if distance[place] >= 1 or len(best) >= k:
                break
            for found in self._text_hits(texts.kind[place].as_py(), int(texts.number[place]), float(distance[place])):
                best.setdefault((found.kind, found.name), found)
        return list(best.values())[:k]

    @cached_property
    def joiner(self) -> Joiner:
        """What columns are joined by."""
        held = self.evidence
        return Joiner(ColumnFacts.of(held.lake), held.folded_postings, self.judge, held.spelling, held.likeness)

    @cached_property
    def _vectors(self) -> TableVectors:
        return TableVectors(self.tables, self.evidence.tables)

    @cached_property
    def _column_vectors(self) -> ColumnVectors:
        return ColumnVectors(self.columns, self.evidence.table_of)

    @property
    def _reasons(self) -> Reasons:
        return Reasons(self.evidence, self.names, self.containments, self.predicted, self._config)

    def _similar(self, asked: AskedTable, wanted: Wanted) -> list[Neighbour]:
        reasons = self._reasons
        found, away = answers(self.unions, self._vectors, asked, wanted, list(reasons.proven(asked.number)))
        whys = [self._table_why(reasons, asked, answer) for answer in found]
        names = [self.evidence.tables[answer.table] for answer in found]
        named = zip(names, away, whys, strict=True)
        return [Neighbour("table", name, rounded(far), why) for name, far, why in named]

    def _table_why(self, reasons: Reasons, asked: AskedTable, answer: Answer) -> dict[str, Any]:
        why: dict[str, Any] = {"shared": rounded(answer.share)}
        why |= reasons.of_mapping(answer.mapping, [column.name for column in asked.columns])
        if asked.number >= 0 and len(answer.mapping.asked) and answer.mapping.share[0] > 0:
            mine = int(self.unions.starts[asked.number]) + int(answer.mapping.asked[0])
            why["values"] = reasons.shared_labels(mine, int(answer.mapping.column[0]))
        why["words"] = rounded(answer.words)
        told = reasons.of_tables(asked.number, answer.table)
        if "lies in " in (told["containment"] or ""):
            why["novel"] = 0.0
        return why | told

    def _text_hits(self, kind: str, number: int, distance: float) -> Iterable[Neighbour]:
        far = round(distance, DECIMALS)
        if kind == "table":
            yield Neighbour("table", self.evidence.tables[number], far, {"matched": "table name"})
        elif kind == "column":
            yield Neighbour("column", self.names.label(number), far, {"matched": "column name"})
        else:
            (label,) = self.evidence.labels([number])
            postings = self.evidence.postings
            columns = postings.column[postings.column_indptr[number] : postings.column_indptr[number + 1]]
            for column in columns[: self._config.max_shown_columns].tolist():
                why = {"matched": "value", "value": label, "columns_with_it": len(columns)}
                yield Neighbour("column", self.names.label(column), far, why)

    def _require_k(self, k: int) -> None:
        if not 1 <= k <= self._config.max_k:
            raise ConfigError(
                "the number of neighbours is out of bounds", value=k, expected=f"1 to {self._config.max_k:,}"
            )


def _require_version(store: ArtifactStore, ref: ArtifactRef) -> None:
    """Files beside the index are others from version to version."""
    made = store.manifest(ref).version
    if made == INDEX.version:
        return
    raise ArtifactError(
        f"the index was made by {'an older' if made < INDEX.version else 'a newer'} version of lakebed",
        value=f"{store.folder('index', ref.key)}, version {made}",
        expected=f"version {INDEX.version}",
        hint=f"lakebed run --lake PATH --artifacts {store.root} --to index builds it again",
    )

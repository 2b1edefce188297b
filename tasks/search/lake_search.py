"""Questions to the index of a lake, from Python, the command line and HTTP alike."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.index.evidence import Evidence
from lakebed.tasks.index.folder import open_folder
from lakebed.tasks.index.kernel.ngrams import has_words, match, whole_words
from lakebed.tasks.index.kernel.postings import Int64
from lakebed.tasks.index.vector_index import NamedIndex, unknown_id
from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.judge import judge_of
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.search.config import SearchConfig
from lakebed.tasks.search.joins import Joiner, nearest_columns
from lakebed.tasks.search.kernel.ranking import (
    AskedColumn,
    Shares,
    TableScores,
    column_shares,
    score_tables,
)
from lakebed.tasks.search.model import Neighbour
from lakebed.tasks.search.predictions import PredictedLinks, read_predicted

CANDIDATES = 8
MIN_CANDIDATES = 50
DECIMALS = 6

Containments = Mapping[tuple[str, str], bool]


class LakeSearch:
    """One index artifact, its files read as questions need them.

    Args:
        store: where the artifacts lie.
        refs: of a run, by stage; `index` must be there; `containment` and `links` add proven containments and predicted
            links to why.
        config: bounds.
    """

    def __init__(
        self, store: ArtifactStore, refs: Mapping[str, ArtifactRef], config: SearchConfig | None = None
    ) -> None:
        self._store, self._refs = store, refs
        self._config = config or SearchConfig()
        self._uri = store.folder("index", refs["index"].key)
        self.evidence = Evidence(self._uri)

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
    def _joiner(self) -> Joiner:
        return Joiner(ColumnFacts.of(self.evidence.lake), self.evidence.folded_postings, judge_of(KeysConfig()))

    @cached_property
    def predicted(self) -> PredictedLinks:
        """Likely missing links; none where no predictor was trained on this graph."""
        return read_predicted(self._store, self._refs, self._number_of, self.evidence.table_of)

    def similar(self, table: str, k: int = 10, *, near: bool = False) -> list[Neighbour]:
        """The k tables that hold most of a table's values; with `near` also those of near vectors that share none.

        Raises:
            ConfigError: if there is no such table (near names are told), or k is out of bounds.
            ArtifactError: if the index is damaged.
        """
        self._require_k(k)
        number = self._table_number(table)
        asked = [self._asked(column) for column in self._columns_of(number)]
        vector = self.tables.vector(f"table:{table}")
        return self._similar(asked, vector, k, table, near=near)

    def similar_to(
        self, asked: list[AskedColumn], names: list[str], k: int = 10, *, near: bool = False
    ) -> list[Neighbour]:
        """The k tables most like one that is not in the lake, of which the columns are given (see `query_file`).

        Its vector is the mean of the vectors of the tables that hold most of it, by how much they hold.
        """
        self._require_k(k)
        scores = score_tables(self.evidence.postings, self.evidence.sizes, self._starts, asked)
        best = np.argsort(-scores.score, kind="stable")[:5]
        best = best[scores.score[best] > 0]
        if not len(best):
            return []
        vectors = np.stack([self.tables.vector(f"table:{self.evidence.tables[self._order[row]]}") for row in best])
        vector = scores.score[best].astype(np.float32) @ vectors
        return self._similar(asked, vector, k, None, names, near=near)

    def joinable(self, column: str, k: int = 10, *, near: bool = False) -> list[Neighbour]:
        """The k columns of other tables that a column can best be joined with; see `joins.py` for their order.

        Args:
            column: `TABLE.COLUMN`, or the JSON text of the list of table and path.
            k: how many.
            near: whether columns of near vectors that share no value are answers too.

        Raises: as `similar`.
        """
        self._require_k(k)
        number = self._column_number(column)
        asked = self._asked(number)
        found = column_shares(self.evidence.postings, self.evidence.sizes, asked)
        joins = self._joiner.ranked(number)
        ranked = joins.column[:k].tolist()
        if near:
            far = nearest_columns(self.columns, self._column_key(number), number, self.evidence.table_of, joins.column)
            ranked = [*ranked, *far][:k]
        known = self._distances(self.columns, [self._column_key(other) for other in (number, *ranked)])
        whys = (self._column_why(number, other, found, asked) | joins.why(at) for at, other in enumerate(ranked))
        named = zip(ranked, known, whys, strict=True)
        return [Neighbour("column", self._label(other), away, why) for other, away, why in named]

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
        texts = self.evidence.texts
        distance, is_whole = match(texts.index, text), np.zeros(len(texts.number), np.bool_)
        # names stand before values
        is_whole[: len(self._words)] = has_words(self._words, text)
        best: dict[tuple[str, str], Neighbour] = {}
        for place in np.lexsort((distance, ~is_whole))[: 20 * k].tolist():
            if distance[place] >= 1 or len(best) >= k:
                break
            for found in self._text_hits(texts.kind[place].as_py(), int(texts.number[place]), float(distance[place])):
                best.setdefault((found.kind, found.name), found)
        return list(best.values())[:k]

    def _similar(
        self,
        asked: list[AskedColumn],
        vector: np.ndarray[Any, Any],
        k: int,
        table: str | None,
        names: list[str] | None = None,
        *,
        near: bool,
    ) -> list[Neighbour]:
        number = -1 if table is None else self._number_of[table]
        scores = score_tables(self.evidence.postings, self.evidence.sizes, self._starts, asked) if asked else None
        held = np.zeros(len(self.evidence.tables))
        if scores is not None and len(self._starts):
            held[self._order] = scores.score
        nearest = self.tables.nearest(vector, max(MIN_CANDIDATES, CANDIDATES * k))
        far = np.full(len(held), np.inf)
        far[[self._number_of[item.removeprefix("table:")] for item in nearest.ids]] = nearest.distance
        is_answer = (held > 0) | (np.isfinite(far) & near)
        is_answer[[self._number_of[other] for other in self._proven(table)]] = True
        chosen = np.flatnonzero(is_answer & (np.arange(len(held)) != number))
        ranked = chosen[np.lexsort((chosen, far[chosen], -np.round(held[chosen], 9)))][:k].tolist()
        known = self._distances_to(vector, self.tables, [f"table:{self.evidence.tables[row]}" for row in ranked])
        columns = sorted(range(len(asked)), key=lambda row: -asked[row].n_distinct)
        return [
            Neighbour("table", self.evidence.tables[row], distance, self._table_why(row, scores, columns, table, names))
            for row, distance in zip(ranked, known, strict=True)
        ]

    def _table_why(
        self, other: int, scores: TableScores | None, columns: list[int], table: str | None, names: list[str] | None
    ) -> dict[str, Any]:
        name = self.evidence.tables[other]
        why: dict[str, Any] = {"shared": 0.0, "columns": []}
        if scores is not None and other in self._row_of:
            row = self._row_of[other]
            why["shared"] = round(float(scores.forth[row]), DECIMALS)
            mine = [names[at] for at in columns] if names else self._asked_paths(table, columns)
            order = np.argsort(-scores.share[:, row], kind="stable")[: self._config.max_shown_columns].tolist()
            why["columns"] = [
                {
                    "column": mine[at],
                    "in": self._path(int(scores.best[at, row])),
                    "share": round(float(scores.share[at, row]), DECIMALS),
                }
                for at in order
                if scores.share[at, row] > 0
            ]
        if table is not None and why["columns"]:
            self._add_values(why, table, other)
        why["containment"] = self._containment(table, name)
        return why | self._predicted_tables(table, other)

    def _add_values(self, why: dict[str, Any], table: str, other: int) -> None:
        """Names some values of the first pair of columns."""
        mine = {self._path(c): c for c in self._columns_of(self._table_number(table))}
        theirs = {self._path(c): c for c in self._columns_of(other)}
        pair = why["columns"][0]
        why["values"] = self._shared_labels(mine[pair["column"]], theirs[pair["in"]])

    def _column_why(self, number: int, other: int, found: Shares, asked: AskedColumn) -> dict[str, Any]:
        tables = self.evidence.tables
        mine, theirs = (tables[int(self.evidence.table_of[column])] for column in (number, other))
        return {
            "shared_values": int(found.overlap[other]),
            "share": round(float(found.forth[other]), DECIMALS),
            "share_of_its_own": round(float(found.back[other]), DECIMALS),
            "same_name": bool(asked.is_same_name[other]),
            "values": self._shared_labels(number, other),
            "containment": self._containment(mine, theirs, "its table "),
            "predicted_link": _rounded(self.predicted.columns.get((number, other))),
        }

    def _containment(self, mine: str | None, other: str, subject: str = "") -> str | None:
        """What was proven of the two tables, said of the other."""
        if mine is None:
            return None
        told = []
        for pair, text in (((mine, other), f"contains {mine}"), ((other, mine), f"lies in {mine}")):
            if pair in self.containments:
                told.append(f"{text}, by coincidence" if self.containments[pair] else text)
        return subject + " and ".join(told) if told else None

    def _proven(self, table: str | None) -> set[str]:
        """The tables that contain a table or lie in it."""
        pairs = [pair for pair in self.containments if table in pair]
        return {name for pair in pairs for name in pair if name in self._number_of}

    def _predicted_tables(self, table: str | None, other: int) -> dict[str, Any]:
        """What the link predictor says of two tables and of their columns, as chances."""
        if table is None:
            return {"predicted_link": None, "predicted_columns": []}
        predicted, between = self.predicted, (self._table_number(table), other)
        pairs = predicted.between.get(between, [])[: self._config.max_shown_columns]
        return {
            "predicted_link": _rounded(predicted.tables.get(between)),
            "predicted_columns": [
                {"column": self._path(a), "in": self._path(b), "chance": _rounded(predicted.columns[a, b])}
                for a, b in pairs
            ],
        }

    def _text_hits(self, kind: str, number: int, distance: float) -> Iterable[Neighbour]:
        far = round(distance, DECIMALS)
        if kind == "table":
            yield Neighbour("table", self.evidence.tables[number], far, {"matched": "table name"})
        elif kind == "column":
            yield Neighbour("column", self._label(number), far, {"matched": "column name"})
        else:
            (label,) = self.evidence.labels([number])
            postings = self.evidence.postings
            columns = postings.column[postings.column_indptr[number] : postings.column_indptr[number + 1]]
            for column in columns[: self._config.max_shown_columns].tolist():
                why = {"matched": "value", "value": label, "columns_with_it": len(columns)}
                yield Neighbour("column", self._label(column), far, why)

    def _distances(self, index: NamedIndex, keys: list[str]) -> list[float | None]:
        """From the first key's vector to the others'."""
        return self._distances_to(index.vector(keys[0]), index, keys[1:])

    def _distances_to(self, vector: np.ndarray[Any, Any], index: NamedIndex, keys: list[str]) -> list[float | None]:
        if not keys:
            return []
        unit = vector / np.linalg.norm(vector) if index.space == "cosine" else vector
        others = np.stack([index.vector(key) for key in keys])
        if index.space == "cosine":
            return [round(max(0.0, float(1 - d)), DECIMALS) for d in others @ unit]
        return [round(float(d), DECIMALS) for d in ((others - unit) ** 2).sum(axis=1)]

    def _shared_labels(self, left: int, right: int) -> list[str]:
        postings = self.evidence.postings
        common = np.intersect1d(postings.values_of(left), postings.values_of(right))
        n_columns = postings.column_indptr[common + 1] - postings.column_indptr[common]
        rarest = common[np.argsort(n_columns, kind="stable")[: self._config.max_shown_values]]
        return self.evidence.labels(rarest.tolist())

    def _asked(self, column: int) -> AskedColumn:
        sizes = self.evidence.sizes
        return AskedColumn(
            values=self.evidence.postings.values_of(column).astype(np.int64),
            n_distinct=int(sizes.n_distinct[column]),
            n_sampled=int(sizes.n_sampled[column]),
            threshold=sizes.threshold[column],
            is_same_name=self.same_name(self._tokens[column]),
        )

    def same_name(self, token: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which columns have this path, (c,)."""
        return np.asarray(pc.equal(self.evidence.columns["token"], token).to_numpy(), np.bool_)

    def _asked_paths(self, table: str | None, order: list[int]) -> list[str]:
        numbers = self._columns_of(self._table_number(str(table)))
        return [self._path(numbers[place]) for place in order]

    def _columns_of(self, table: int) -> list[int]:
        return [int(column) for column in np.flatnonzero(self.evidence.table_of == table)]

    def _column_key(self, column: int) -> str:
        table = self.evidence.tables[int(self.evidence.table_of[column])]
        return "column:" + _json([table, *json.loads(self._tokens[column])])

    def _label(self, column: int) -> str:
        return str(self.evidence.columns["label"][column].as_py())

    def _path(self, column: int) -> str:
        return ".".join(str(step) for step in json.loads(self._tokens[column]))

    def _table_number(self, table: str) -> int:
        if table not in self._number_of:
            raise unknown_id(table, self.evidence.tables)
        return self._number_of[table]

    def _column_number(self, column: str) -> int:
        """The column of `TABLE.COLUMN` or of its JSON text.

        Raises:
            ConfigError: if there is none, or several of the name.
        """
        labels = self.evidence.columns["label"]
        found = np.flatnonzero(pc.equal(labels, column).to_numpy()).tolist() if len(labels) else []
        if not found and column.startswith("["):
            keys = {self._column_key(c)[len("column:") :]: c for c in range(len(labels))}
            found = [keys[column]] if column in keys else []
        if len(found) > 1:
            raise ConfigError(
                "several columns have this name",
                value=column,
                expected="the JSON text of the list of table and path",
                examples=[self._column_key(number)[len("column:") :] for number in found],
            )
        if not found:
            raise unknown_id(column, [str(label) for label in labels.to_pylist()])
        return int(found[0])

    @cached_property
    def _tokens(self) -> list[str]:
        return [str(token) for token in self.evidence.columns["token"].to_pylist()]

    @cached_property
    def _words(self) -> list[str]:
        return whole_words([*self.evidence.tables, *self._tokens])

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.evidence.tables)}

    @cached_property
    def _starts(self) -> Int64:
        """Where each table's columns begin, in the order of the columns."""
        table_of = self.evidence.table_of
        is_first = np.ones(len(table_of), np.bool_)
        is_first[1:] = table_of[1:] != table_of[:-1]
        return np.flatnonzero(is_first)

    @cached_property
    def _order(self) -> Int64:
        """The table of each row of scores; tables without columns have none."""
        return self.evidence.table_of[self._starts]

    @cached_property
    def _row_of(self) -> dict[int, int]:
        return {table: row for row, table in enumerate(self._order.tolist())}

    def _require_k(self, k: int) -> None:
        if not 1 <= k <= self._config.max_k:
            raise ConfigError(
                "the number of neighbours is out of bounds", value=k, expected=f"1 to {self._config.max_k:,}"
            )


def _rounded(chance: float | None) -> float | None:
    return None if chance is None else round(chance, DECIMALS)


def _json(path: list[str | int]) -> str:
    return json.dumps(path, ensure_ascii=False, separators=(",", ":"))

"""What is said of an answer: shared values, proven containments, predicted links."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lakebed.tasks.index.evidence import Evidence
from lakebed.tasks.search.config import SearchConfig
from lakebed.tasks.search.joins import Joins
from lakebed.tasks.search.kernel.unions import ColumnMapping
from lakebed.tasks.search.names import LakeNames
from lakebed.tasks.search.predictions import PredictedLinks

DECIMALS = 6

# proven (child, parent) pairs, and whether each is coincidental
Containments = Mapping[tuple[str, str], bool]


@dataclass(frozen=True)
class Reasons:
    """Says why answers are there, each the subject of what is said of it."""

    evidence: Evidence
    names: LakeNames
    containments: Containments
    predicted: PredictedLinks
    config: SearchConfig

    def of_tables(self, asked: int, other: int) -> dict[str, Any]:
        """What was proven and predicted of two tables; `asked` -1 for one that is not in the lake."""
        if asked < 0:
            return {"containment": None, "predicted_link": None, "predicted_columns": []}
        tables, between, path = self.evidence.tables, (asked, other), self.names.path
        pairs = self.predicted.between.get(between, [])[: self.config.max_shown_columns]
        return {
            "containment": self._containment(tables[asked], tables[other]),
            "predicted_link": rounded(self.predicted.tables.get(between)),
            "predicted_columns": [
                {"column": path(a), "in": path(b), "chance": rounded(self.predicted.columns[a, b])} for a, b in pairs
            ],
        }

    def of_mapping(self, mapping: ColumnMapping, names: list[str]) -> dict[str, Any]:
        """Which columns lie over which, and what that makes of the table. `names` are the asked columns'."""
        columns = [
            {"column": names[a], "in": self.names.path(b), "share": rounded(share), "likeness": rounded(likeness)}
            for a, b, share, likeness in zip(
                mapping.asked.tolist(), mapping.column.tolist(), mapping.share.tolist(), mapping.likeness.tolist(),
                strict=True,
            )
        ]  # fmt: skip
        return {"columns": columns, "unionable": mapping.is_unionable, "novel": rounded(mapping.novel)}

    def of_columns(self, asked: int, other: int) -> dict[str, Any]:
        """What two columns have in common, exactly where neither was cut."""
        n_common, forth, back = self._shares(asked, other)
        tables = self.evidence.tables
        mine, theirs = (tables[int(self.evidence.table_of[column])] for column in (asked, other))
        return {
            "shared_values": n_common,
            "share": rounded(forth),
            "share_of_its_own": rounded(back),
            "same_name": self.names.is_same(asked, other),
            "values": self.shared_labels(asked, other),
            "containment": self._containment(mine, theirs, "its table "),
            "predicted_link": rounded(self.predicted.columns.get((asked, other))),
        }

    def of_outside(self, column: str, other: int, joins: Joins, place: int) -> dict[str, Any]:
        """The same of a column that is not in the lake, by folded values."""
        return {
            "shared_values": int(joins.n_common[place]),
            "share": rounded(float(joins.share[place])),
            "share_of_its_own": rounded(float(joins.back[place])),
            "same_name": self.names.path(other) == column,
            "values": [],
            "containment": None,
            "predicted_link": None,
        } | joins.why(place)

    def shared_labels(self, left: int, right: int) -> list[str]:
        """Some values that two columns share, the rarest first."""
        postings = self.evidence.postings
        common = self._common(left, right)
        n_columns = postings.column_indptr[common + 1] - postings.column_indptr[common]
        rarest = common[np.argsort(n_columns, kind="stable")[: self.config.max_shown_values]]
        return self.evidence.labels(rarest.tolist())

    def proven(self, table: int) -> Iterable[int]:
        """The tables that contain a table or lie in it; none for -1."""
        return self._partners.get(table, ())

    def _common(self, left: int, right: int) -> np.ndarray[Any, Any]:
        postings = self.evidence.postings
        return np.intersect1d(postings.values_of(left), postings.values_of(right), assume_unique=True)

    def _shares(self, asked: int, other: int) -> tuple[int, float, float]:
        """Values in common, and their shares of either column's distinct values.

        Exact where neither was cut; else counted below the lesser threshold of the two, where both kept everything.
        """
        sizes, n_common = self.evidence.sizes, len(self._common(asked, other))
        mine, theirs = (float(sizes.threshold[column]) / 2.0**64 for column in (asked, other))
        n_comparable = float(sizes.n_sampled[asked]) * min(1.0, theirs / mine)
        forth = min(1.0, n_common / max(n_comparable, 1.0))
        estimated = min(forth * float(sizes.n_distinct[asked]), float(sizes.n_distinct[other]))
        return n_common, forth, estimated / max(float(sizes.n_distinct[other]), 1.0)

    def _containment(self, mine: str, other: str, subject: str = "") -> str | None:
        """What was proven of the two tables, said of the other."""
        told = []
        for pair, text in (((mine, other), f"contains {mine}"), ((other, mine), f"lies in {mine}")):
            if pair in self.containments:
                told.append(f"{text}, by coincidence" if self.containments[pair] else text)
        return subject + " and ".join(told) if told else None

    @cached_property
    def _partners(self) -> dict[int, list[int]]:
        partners: dict[int, list[int]] = {}
        known = self.names.number_of
        for child, parent in self.containments:
            if child in known and parent in known:
                partners.setdefault(known[child], []).append(known[parent])
                partners.setdefault(known[parent], []).append(known[child])
        return partners


def rounded(number: float | None) -> float | None:
    """As answers show it."""
    return None if number is None else round(number, DECIMALS)

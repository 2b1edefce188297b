"""Traits: what a reader of a table sees beside its rows, from footers and logs alone.

Two tables with equal rows and equal traits are the same to Spark, DuckDB, pandas, Polars and Arrow. Not traits:
compression of Parquet, encodings, sizes of row groups, statistics, bloom filters, who wrote the file, the history of a
Delta table.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from lakebed.connectors.errors import PlanError

# pydantic builds these from a recipe's JSON, so it needs the names at run time
from lakebed.connectors.lake.delta_metadata import DeltaTraits  # noqa: TC001
from lakebed.connectors.lake.footer import ParquetTraits  # noqa: TC001
from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts

_MAX_NAMED = 3


@dataclass(frozen=True)
class Traits:
    """What a reader of a table sees beside its rows.

    Attributes:
        partition_columns: tokens of the columns that stand in the paths, in path order.
        footers: the different ones of a table of Parquet files.
        footer_of: for each file, by path, which of them it has.
        delta: of a Delta table.
        text: of a table of text, its dialect as canonical JSON.
    """

    partition_columns: tuple[str, ...] = ()
    footers: tuple[ParquetTraits, ...] = ()
    footer_of: tuple[int, ...] = ()
    delta: DeltaTraits | None = None
    text: str = ""

    @property
    def json(self) -> str:
        """Canonical JSON."""
        return canonical_json(dataclasses.asdict(self))

    @property
    def digest(self) -> str:
        """Hex SHA-256: equal digests, equal traits."""
        return sha256_of_parts([b"lakebed traits", self.json.encode()])

    def footer(self, file: int) -> ParquetTraits:
        """The traits of a file of a table of Parquet files."""
        return self.footers[self.footer_of[file]]

    def differences(self, other: Traits) -> list[str]:
        """What another table has otherwise, for people; empty if they are equal."""
        if self == other:
            return []
        found = ["the partition columns"] if self.partition_columns != other.partition_columns else []
        if self.delta and other.delta:
            found += self.delta.differences(other.delta)
        if len(self.footer_of) == len(other.footer_of):
            pairs = [(self.footer(file), other.footer(file)) for file in range(len(self.footer_of))]
            found += [
                what for mine, theirs in dict.fromkeys(pairs) if mine != theirs for what in mine.differences(theirs)
            ]
        if self.text and other.text:
            mine, theirs = json.loads(self.text), json.loads(other.text)
            found += [
                f"the text's {key} {mine[key]!r}, not {theirs.get(key)!r}"
                for key in mine
                if mine[key] != theirs.get(key)
            ]
        return list(dict.fromkeys(found)) or ["its files"]

    def require_same(self, other: Traits, table: str) -> None:
        """Refuses a rebuilt table that a reader would see otherwise.

        Raises:
            PlanError: naming the first traits that differ.
        """
        if found := self.differences(other):
            more = f" and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
            raise PlanError(
                "its rows can be rebuilt, but not all that a reader sees beside them",
                value="; ".join(found[:_MAX_NAMED]) + more,
                expected=f"the traits of {table}",
                hint="keep the table: exclude it with `retention.pins`",
            )

"""Lakes that live: tables to which others go on writing, and extracts of them that nobody needs twice.

A table grows by days. Each day is a file of its own, a partition or a commit; more rows of an old day may come late.
What an extract holds is told by the days that it was made of, so that every table's rows are known at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from deltalake import write_deltalake

from lakebed.data_samples.layouts import CsvFile, DeltaTable, ParquetFile, ParquetParts
from lakebed.data_samples.model import Layout
from lakebed.data_samples.randomness import generator, picked

# how the tables lie that grow
GROWING = ("parts", "partitions", "text", "log", "partitioned_log")
_EXTRACTS: tuple[Layout, ...] = (ParquetFile(), CsvFile(), ParquetParts(2), DeltaTable(2))
_THINGS = ("orders", "clicks", "readings", "shipments", "payments")
_LATE = 100


@dataclass(frozen=True)
class Extract:
    """Rows of a growing table as they were: all of its first `n_days`, or the first half of each."""

    name: str
    layout: Layout
    n_days: int
    is_half: bool
    has_neighbour: bool

    @property
    def format(self) -> str:
        """Of its files."""
        return self.layout.format


@dataclass(frozen=True)
class GrowingTable:
    """A table to which rows are added day by day; `layout` is one of `GROWING`."""

    name: str
    layout: str
    number: int
    extracts: tuple[Extract, ...]

    def rows(self, days: Sequence[int]) -> pa.Table:
        """The rows of some days, in the order of the days."""
        return pa.concat_tables([self._day(day) for day in days])

    def extracted(self, extract: Extract) -> pa.Table:
        """The rows of one of its extracts."""
        days = [self._day(day) for day in range(extract.n_days)]
        return pa.concat_tables([day.slice(0, day.num_rows // 2) if extract.is_half else day for day in days])

    def add(self, root: Path, day: int) -> None:
        """Writes a day beside those that are there; one of 100 and more is a late part of day 0."""
        folder, rows = root / self.name, self._day(day)
        if self.layout.endswith("log"):
            is_partitioned = self.layout == "partitioned_log"
            rows = rows.append_column("day", pa.array([day % _LATE] * rows.num_rows)) if is_partitioned else rows
            folder.parent.mkdir(parents=True, exist_ok=True)
            write_deltalake(folder, rows, mode="append", partition_by=["day"] if is_partitioned else None)
            return
        folder = folder / f"day={day % _LATE}" if self.layout == "partitions" else folder
        folder.mkdir(parents=True, exist_ok=True)
        if self.layout == "text":
            pa_csv.write_csv(rows, folder / f"part-{day:05d}.csv")
        else:
            pq.write_table(rows, folder / f"part-{day:05d}.parquet")

    def _day(self, day: int) -> pa.Table:
        """Rows that no other day and no other table has, under names of their own."""
        rng, number = generator(1_000 * self.number + day, "growing lake"), self.number
        n = int(rng.integers(20, 60))
        return pa.table(
            {
                f"id_{number}": pa.array(rng.permutation(1_000)[:n] + 1_000_000 * number + 1_000 * day),
                f"city_{number}": picked(rng, ["Lima", "Oslo", "Quito", "Riga"], n),
                f"price_{number}": pa.array(rng.integers(1, 10_000, n) / 4),
            }
        )


@dataclass(frozen=True)
class GrowingLake:
    """One lake of tables that have grown for `n_days`."""

    tables: tuple[GrowingTable, ...]
    n_days: int

    def write(self, root: Path) -> None:
        """Writes all tables as they are after their days, and their extracts."""
        for table in self.tables:
            for day in range(self.n_days):
                table.add(root, day)
            for extract in table.extracts:
                extract.layout.write(root, extract.name, table.extracted(extract))
                if extract.has_neighbour:
                    (root / extract.name / "notes.txt").write_text("somebody else's\n", encoding="utf-8")

    def grow(self, root: Path, day: int) -> None:
        """What others do in a night: a new day of each table, and late rows of its first."""
        for table in self.tables:
            table.add(root, day)
            table.add(root, day + _LATE)

    @property
    def extracts(self) -> dict[str, tuple[GrowingTable, Extract]]:
        """Every extract with its table, by name."""
        return {extract.name: (table, extract) for table in self.tables for extract in table.extracts}

    def write_again(self, root: Path, name: str, day: int) -> pa.Table:
        """What a nightly job does: it writes a day's rows where an extract was; returns them."""
        table, extract = self.extracts[name]
        rows = table.rows([day])
        extract.layout.write(root, name, rows)
        return rows


def growing_lake(seed: int) -> GrowingLake:
    """The lake of a seed: one table of each way to grow, each with two extracts."""
    rng = np.random.default_rng(seed)
    n_days, things = int(rng.integers(2, 5)), rng.permutation(len(_THINGS))
    tables = []
    for place, layout in enumerate(GROWING):
        thing, number = _THINGS[things[place]], 10 * seed + place
        made = rng.permutation(len(_EXTRACTS))[:2]
        extracts = [
            Extract(f"{folder}/{thing}", _EXTRACTS[kind], n_days - int(half), bool(half), _may_share(_EXTRACTS[kind]))
            for folder, kind, half in zip(("exports", "archive"), made, rng.permutation(2), strict=True)
        ]
        tables.append(GrowingTable(f"production/{thing}", layout, number, tuple(extracts)))
    return GrowingLake(tuple(tables), n_days)


def _may_share(layout: Layout) -> bool:
    """Whether somebody else keeps a file in the folder: then its files move one by one."""
    return isinstance(layout, ParquetParts)

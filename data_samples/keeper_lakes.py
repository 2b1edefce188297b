"""Lakes of tables and their copies, each labelled by which table was made first.

The label comes from the story alone: who made a table, who copied it when, and to what. It knows nothing of words in
names; many of the names say nothing, or the original has the longer one. A group is ambiguous where even those who made
it would have to think: a later copy is in a better format or was made to be the table from then on, the original was
written anew after the copy, or both were written at once.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakebed.data_samples.layouts import CsvFile, DeltaTable, ParquetFile
from lakebed.data_samples.model import Layout
from lakebed.data_samples.randomness import generator, picked

KINDS = ("zones", "backups", "exports", "homes", "staging", "dumps", "spares")
# of these no default of lakebed's knows one
PLAIN_WORDS = (
    "prev", "mirror", "alt", "retired", "spare", "second", "twin", "parked", "attic", "frozen", "misc", "fixed",
    "final", "do_not_use", "shadow", "kopie", "sauvegarde", "yesterday",
)  # fmt: skip
_LAYOUTS: dict[str, Layout] = {
    "parquet": ParquetFile(), "delta": DeltaTable(), "csv": CsvFile(),
}  # fmt: skip
_THINGS = (
    ("sales", "orders"), ("crm", "customers"), ("finance", "invoices"), ("logistics", "shipments"), ("hr", "people"),
    ("web", "clicks"), ("iot", "readings"), ("shop", "baskets"), ("risk", "limits"), ("ads", "campaigns"),
    ("geo", "places"), ("stock", "levels"),
)  # fmt: skip
_AREAS = ("production", "warehouse", "core", "dwh/main", "data")
_PEOPLE = ("alice", "bob", "chen", "dana")
_DAY_S = 86_400
_EPOCH_S = 1_700_000_000
_FORMATS = ("csv", "parquet", "delta")
_AMBIGUOUS_SHARE = 0.07


@dataclass(frozen=True)
class MadeTable:
    """One table: its name and format, and when its first file was written, in seconds since 1970."""

    name: str
    format: str
    made_s: int


@dataclass(frozen=True)
class CopyGroup:
    """Tables of the same rows, the one that was made first in front."""

    tables: tuple[MadeTable, ...]
    is_ambiguous: bool

    @property
    def original(self) -> MadeTable:
        """The one that was made first."""
        return self.tables[0]


@dataclass(frozen=True)
class Part:
    """A table of its own that also lies in `parent`, a larger one; `is_private` where that is nobody's to rely on."""

    table: MadeTable
    parent: MadeTable
    is_private: bool


@dataclass(frozen=True)
class KeeperLake:
    """One lake: `zones` are what its people would write into the config."""

    kind: str
    zones: tuple[str, ...]
    groups: tuple[CopyGroup, ...]
    parts: tuple[Part, ...]

    def write(self, root: Path) -> None:
        """Writes all tables, with the times of their making."""
        for number, group in enumerate(self.groups):
            for table in group.tables:
                _write(root, table, _rows(number, 300))
        for number, part in enumerate(self.parts):
            rows = _rows(100 + number, 300)
            _write(root, part.parent, rows)
            _write(root, part.table, rows.slice(20, 150))


def keeper_lake(seed: int) -> KeeperLake:
    """The lake of a seed; kinds take turns."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    things = [_THINGS[place] for place in rng.permutation(len(_THINGS))]
    groups = tuple(_group(rng, kind if place % 3 else "spares", thing) for place, thing in enumerate(things[:6]))
    parts = (_part(rng, things[6], is_private=True), _part(rng, things[7], is_private=False))
    if kind != "zones":
        return KeeperLake(kind, (), groups, parts)
    return KeeperLake(kind, ("gold/**", "**", "landing/**"), groups, parts)


def _group(rng: np.random.Generator, kind: str, thing: tuple[str, str]) -> CopyGroup:
    """An original and one to four copies of it, each written later, in the same format or a plainer one."""
    folder, name = thing
    area = "gold" if kind == "zones" else _one_of(rng, _AREAS)
    if kind == "homes" and rng.random() < 0.4:
        area = f"home/{_one_of(rng, _PEOPLE)}"
    stem = _one_of(rng, (name, name, name, f"{name}_2023", f"top_10_{name}"))
    made_s = _EPOCH_S + int(rng.integers(300)) * _DAY_S
    original = MadeTable(f"{area}/{folder}/{stem}", _one_of(rng, ("parquet", "parquet", "delta", "csv")), made_s)
    copies: dict[str, MadeTable] = {}
    for _ in range(int(rng.integers(1, 5))):
        path = _STORIES[kind](rng, folder, stem)
        later = made_s + int(rng.integers(3_600, 300 * _DAY_S))
        place = max(_FORMATS.index(original.format) - int(rng.random() < 0.3), 0)
        copies.setdefault(path, MadeTable(path, _FORMATS[place], later))
    if rng.random() < _AMBIGUOUS_SHARE:
        return _ambiguous(rng, original, next(iter(copies.values())))
    return CopyGroup((original, *copies.values()), is_ambiguous=False)


def _ambiguous(rng: np.random.Generator, original: MadeTable, copy: MadeTable) -> CopyGroup:
    """A conversion, a promotion, an original that was written anew, or two tables of one job."""
    last = original.name.rsplit("/", 1)[1]
    tables = (
        (replace(original, format="csv"), replace(copy, format="delta")),
        (replace(original, name=f"landing/{last}"), replace(copy, name=f"marts/{last}", format="delta")),
        (replace(original, made_s=copy.made_s + _DAY_S), copy),
        (original, replace(copy, made_s=original.made_s)),
    )
    return CopyGroup(tables[int(rng.integers(len(tables)))], is_ambiguous=True)


def _part(rng: np.random.Generator, thing: tuple[str, str], *, is_private: bool) -> Part:
    folder, name = thing
    table = MadeTable(f"production/{folder}/{name}_of_the_south", "parquet", _EPOCH_S)
    kind = _one_of(rng, ("backups", "exports", "homes", "staging", "dumps"))
    place = _STORIES[kind](rng, folder, name) if is_private else f"production/{folder}/all_{name}"
    return Part(table, MadeTable(place, "parquet", _EPOCH_S + _DAY_S), is_private)


def _zone_path(rng: np.random.Generator, folder: str, stem: str) -> str:
    return _one_of(rng, (f"landing/{stem}", f"landing/{_day(rng)}/{stem}", f"silver/{folder}/{stem}"))


def _backup_path(rng: np.random.Generator, folder: str, stem: str) -> str:
    day = _day(rng)
    paths = (
        f"bak/{stem}",
        f"backups/{day}/{folder}/{stem}",
        f"production/{folder}/{stem}_{day}",
        f"{stem}.old",
        f"{stem} (2)",
    )
    return _one_of(rng, (*paths, f"data/copy_of_{stem}", f"{folder}/{stem}Backup", f"full-{day}/{stem}"))


def _export_path(rng: np.random.Generator, folder: str, stem: str) -> str:
    return _one_of(rng, (f"exports/{folder}_{stem}", f"extract_for_bob/{stem}", f"partners/{stem}_{_day(rng)}"))


def _home_path(rng: np.random.Generator, folder: str, stem: str) -> str:
    person = _one_of(rng, _PEOPLE)
    return _one_of(rng, (f"home/{person}/{stem}", f"~{person}/{stem}", f"users/{person}/try/{folder}/{stem}"))


def _staging_path(rng: np.random.Generator, folder: str, stem: str) -> str:
    return _one_of(rng, (f"staging/{stem}", f"load-test/{folder}/{stem}", f"tmp/{int(rng.integers(99))}/{stem}"))


def _dump_path(rng: np.random.Generator, folder: str, stem: str) -> str:
    return _one_of(rng, (f"dumps/{_day(rng)}/{stem}", f"Dump.{folder}.{stem}", f"scratch/{stem}"))


def _spare_path(rng: np.random.Generator, folder: str, stem: str) -> str:
    word = _one_of(rng, PLAIN_WORDS)
    return _one_of(rng, (f"{word}/{stem}", f"{folder}/{stem}_{word}", f"{word}_{stem}", f"a/{stem}"))


_STORIES: dict[str, Callable[[np.random.Generator, str, str], str]] = {
    "zones": _zone_path, "backups": _backup_path, "exports": _export_path, "homes": _home_path,
    "staging": _staging_path, "dumps": _dump_path, "spares": _spare_path,
}  # fmt: skip


def _day(rng: np.random.Generator) -> str:
    year, month, day = (int(rng.integers(*ends)) for ends in ((2022, 2025), (1, 13), (1, 29)))
    return _one_of(rng, (f"{year}-{month:02d}-{day:02d}", f"{year}{month:02d}{day:02d}"))


def _one_of(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _rows(number: int, n: int) -> pa.Table:
    """Rows that no other number has, under names of their own."""
    rng = generator(number, "keeper lake")
    return pa.table(
        {
            f"id_{number}": pa.array(rng.permutation(10 * n)[:n] + 1_000_000 * number),
            f"city_{number}": picked(rng, ["Lima", "Oslo", "Quito", "Riga"], n),
            f"price_{number}": pa.array(rng.integers(1, 10_000, n) / 4),
        }
    )


def _write(root: Path, table: MadeTable, rows: pa.Table) -> None:
    """Writes a table and sets back the times of its files."""
    written = root / _LAYOUTS[table.format].write(root, table.name, rows)
    for file in (written, *written.rglob("*")):
        os.utime(file, (table.made_s, table.made_s))

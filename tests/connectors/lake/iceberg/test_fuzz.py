"""Seeded damage to any file of a table: the table is read, or refused with a reason, and the next one is read."""

import random
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.iceberg.table import IcebergFacts, read_tables
from lakebed.connectors.lake.model import FileEntry, TableSource
from tests.iceberg_tables import HandMade, column


def _written(root: Path) -> None:
    table = HandMade(root / "good", [column(1, "id", "long"), column(2, "name", "string")], 3)
    data = table.data(pa.table({"id": list(range(9)), "name": list("abcdefghi")}))
    table.commit(data)
    table.commit(table.positions(data, [0]), table.equality(pa.table({"id": [3]})))
    other = table.data(pa.table({"id": [7, 8], "name": ["x", "y"]}))
    table.commit(other)
    table.commit(table.vector(other, [1]))


def _damaged(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    kind = rng.choice(["flip", "flip", "cut", "zeros", "twice"])
    place = rng.randrange(len(data))
    if kind == "flip":
        for _ in range(rng.choice([1, 1, 8])):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == "cut":
        del data[place:]
    elif kind == "zeros":
        data[place : place + 40] = bytes(len(data[place : place + 40]))
    else:
        data[place:place] = data[:place]
    path.write_bytes(bytes(data))


def _source(root: Path, name: str) -> TableSource:
    files = sorted(path for path in (root / name).rglob("*") if path.is_file())
    entries = tuple(FileEntry(str(path.relative_to(root)), path.stat().st_size, 0) for path in files)
    return TableSource(name, "iceberg", entries, name)


def _check(root: Path, seeds: range) -> None:
    _written(root)
    sources = []
    for seed in seeds:
        rng, name = random.Random(seed), f"bad{seed}"
        shutil.copytree(root / "good", root / name)
        _damaged(rng.choice(sorted(path for path in (root / name).rglob("*") if path.is_file())), rng)
        sources.append(_source(root, name))
    sources.append(_source(root, "good"))
    files = {entry.path: entry for source in sources for entry in source.files}
    *found, good = read_tables(str(root), sources, files)
    assert isinstance(good, IcebergFacts) and sum(file.n_rows for file in good.files) == 8
    for one in found:
        assert isinstance(one, IcebergFacts) or (isinstance(one, SourceError) and one.what)
    assert sum(isinstance(one, SourceError) for one in found) > len(found) // 4


def test_sixty_damaged_tables(tmp_path: Path) -> None:
    _check(tmp_path, range(60))


@pytest.mark.heavy
def test_a_thousand_damaged_tables(tmp_path: Path) -> None:
    _check(tmp_path, range(1000, 2000))

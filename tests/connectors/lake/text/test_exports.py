"""Exports meet their originals: 21 kinds of columns by four writers, and near misses that do not."""

import datetime as dt
import math
import random
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.leaves import token_of
from lakebed.connectors.lake.read import read_split
from lakebed.connectors.lake.text.resolve import resolve_types
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.tasks.encoding.hashes import column_sums
from lakebed.tasks.encoding.types import type_class
from tests.connectors.lake.text.exports import KINDS, WRITERS, table, write

FIXTURES = Path(__file__).parents[3] / "fixtures" / "exports"
KEY = bytes(range(32))
FLOOR = 0.95
# what the writer itself loses: digits of a third, days as instants, decimals as floats, microseconds
LOST = {
    "pandas.jsonl": {"float64", "date", "date_null", "money", "decimal4"},
    "duckdb.jsonl": {"money"},
    "spark.csv": {"stamp_us"},
    "spark.jsonl": {"stamp_us"},
}


def read_columns(folder: Path, name: str, staged: Path) -> dict[str, pa.ChunkedArray]:
    """The columns of a text file with the types that it gets by itself."""
    scan = scan_text_file(str(folder), name, "csv" if ".csv" in name else "json", str(staged / name), TextConfig(), {})
    resolved = resolve_types([scan])
    casts = tuple((column.token, column.casts[0] or "") for column in resolved)
    split = Split(0, 0, name, "staged", None, (), casts, scan.n_rows, 0)
    tokens = [column.token for column in resolved]
    batches = list(read_split(str(staged), split, tokens, ReadCounter()))
    return {token: pa.chunked_array([batch[token].values for batch in batches]) for token in tokens}


def hashes(values: pa.Array | pa.ChunkedArray) -> list[bytes]:
    """What rows of one column are compared by, with the class."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    sums = np.ascontiguousarray(column_sums(whole, None, "x", KEY).T)
    return [row.tobytes() for row in sums]


def equal_kinds(found: dict[str, pa.ChunkedArray], given: pa.Table) -> set[str]:
    """The columns of an export that are, cell by cell, those of its original."""
    return {
        name
        for name in given.column_names
        if token_of((name,)) in found and hashes(found[token_of((name,))]) == hashes(given[name])
    }


def test_most_exports_equal_their_originals(tmp_path: Path) -> None:
    assert len(KINDS) == 21
    given, equal, lost = table(), {}, {}
    for writer in WRITERS:
        for ending in ("csv", "jsonl"):
            name = f"{writer}.{ending}"
            equal[name] = equal_kinds(read_columns(FIXTURES, name, tmp_path), given)
            if missing := set(KINDS) - equal[name]:
                lost[name] = missing
    assert lost == LOST
    n_equal = sum(map(len, equal.values()))
    assert n_equal / (len(KINDS) * len(equal)) >= FLOOR, n_equal


def big_table(n_rows: int, seed: int) -> pa.Table:
    """Random columns of most kinds."""
    draw = random.Random(seed)
    floats = [draw.choice([draw.random(), draw.gauss(0, 1e6), draw.uniform(-1, 1) * 10.0 ** draw.randint(-300, 300)])
              for _ in range(n_rows)]  # fmt: skip
    start = dt.datetime(1900, 1, 1)
    times = [start + dt.timedelta(microseconds=draw.randrange(10**16)) for _ in range(n_rows)]
    return pa.table(
        {
            "int64": [draw.randrange(-(2**63), 2**63) for _ in range(n_rows)],
            "float64": floats,
            "float_whole": [float(draw.randrange(-(10**6), 10**6)) for _ in range(n_rows)],
            "money": pa.array(
                [Decimal(draw.randrange(-(10**6), 10**6)).scaleb(-2) for _ in range(n_rows)], pa.decimal128(10, 2)
            ),
            "date": [time.date() for time in times],
            "stamp": pa.array([time.replace(microsecond=0) for time in times], pa.timestamp("us")),
            "code": [f"{draw.randrange(10**5):05d}" for _ in range(n_rows)],
        }
    )


@pytest.mark.heavy
@pytest.mark.parametrize("writer", ["pandas", "duckdb"])
def test_big_exports_too(tmp_path: Path, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = big_table(20_000, 7)
    monkeypatch.setattr("tests.connectors.lake.text.exports.table", lambda: given)
    write(tmp_path, writer)
    assert equal_kinds(read_columns(tmp_path, f"{writer}.csv", tmp_path / "staged"), given) == set(given.column_names)


def _days(draw: random.Random) -> tuple[pa.Array, list[str]]:
    days = [dt.date(1970, 1, 1) + dt.timedelta(draw.randrange(30_000)) for _ in range(3)]
    return pa.array(days), [str(days[0] + dt.timedelta(draw.choice([-1, 1]))), *map(str, days[1:])]


def _times(draw: random.Random) -> tuple[pa.Array, list[str]]:
    times = [dt.datetime(1970, 1, 1) + dt.timedelta(seconds=draw.randrange(3 * 10**9)) for _ in range(3)]
    if draw.random() < 0.5:
        texts = [time.strftime("%Y-%m-%d %H:%M:%S.000000") for time in times]
        return pa.array(times, pa.timestamp("us")), [texts[0][:-1] + "1", *texts[1:]]
    zone = draw.choice(["+01:00", "-05:00", "+0530"])
    return pa.array(times, pa.timestamp("us", "UTC")), [f"{time}{zone}" for time in times]


def _numbers(draw: random.Random) -> tuple[pa.Array, list[str]]:
    if draw.random() < 0.5:
        numbers = [draw.randrange(10, 10**6) for _ in range(3)]
        return pa.array(numbers), [f"0{numbers[0]}", *map(str, numbers[1:])]
    cents = [Decimal(draw.randrange(1, 10**6)).scaleb(-2) for _ in range(3)]
    return pa.array(cents, pa.decimal128(12, 2)), [str(cents[0] + Decimal("0.01")), *map(str, cents[1:])]


def _floats(draw: random.Random) -> tuple[pa.Array, list[str]]:
    floats = [draw.uniform(-1e6, 1e6) for _ in range(3)]
    return pa.array(floats), [repr(math.nextafter(floats[0], draw.choice([-1e9, 1e9]))), *map(repr, floats[1:])]


def near_misses(draw: random.Random) -> tuple[pa.Array, list[str]]:
    """A column of values, and cells that are nearly, and not, what some writer makes of them."""
    return draw.choice([_days, _times, _numbers, _floats])(draw)


@pytest.mark.parametrize("n", [1_000, pytest.param(10_000, marks=pytest.mark.heavy)])
def test_near_misses_equal_nothing(tmp_path: Path, n: int) -> None:
    draw = random.Random(20261129)
    columns = [near_misses(draw) for _ in range(n)]
    found: dict[str, pa.ChunkedArray] = {}
    for start in range(0, len(columns), 500):
        part = {f"c{start + place}": cells for place, (_, cells) in enumerate(columns[start : start + 500])}
        lines = [",".join(row) + "\n" for row in [tuple(part), *zip(*part.values(), strict=True)]]
        (tmp_path / f"{start}.csv").write_text("".join(lines))
        found |= read_columns(tmp_path, f"{start}.csv", tmp_path / "staged")
    equal = [
        number
        for number, (values, _) in enumerate(columns)
        if hashes(found[token_of((f"c{number}",))]) == hashes(values)
    ]
    assert equal == []
    # most have the type of their original, so that the value decides
    same = [
        type_class(found[token_of((f"c{number}",))].type) == type_class(values.type)
        for number, (values, _) in enumerate(columns)
    ]
    assert sum(same) > 0.8 * len(same)

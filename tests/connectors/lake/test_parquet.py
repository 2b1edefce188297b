import contextlib
import datetime as dt
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.leaves import schema_leaves
from lakebed.connectors.lake.model import FileEntry, Unreadable
from lakebed.connectors.lake.parquet import read_footer, read_footers
from lakebed.connectors.lake.read import read_split
from lakebed.connectors.lake.statistics import FileFacts


def write(root: Path, table: pa.Table, name: str = "t.parquet", **options: object) -> FileEntry:
    pq.write_table(table, root / name, **options)
    return FileEntry(name, (root / name).stat().st_size, 1)


def bounds(facts: FileFacts, token: str) -> tuple[object, ...]:
    index = [leaf.token for leaf in facts.leaves].index(token)
    stats = facts.statistics
    ends = stats.min_lower[index], stats.min_upper[index], stats.max_lower[index], stats.max_upper[index]
    return (*ends, stats.tightness[index], stats.n_nulls[index])


def relabelled(path: Path, writer: bytes) -> None:
    """Gives a file another writer's name of the same length: what Arrow wrote, as if another had written it."""
    data = path.read_bytes()
    old = b"parquet-cpp-arrow"
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, writer.ljust(len(old))))


TYPED = [
    (pa.array([3, None, -1], pa.int8()), -1, 3),
    (pa.array([2**64 - 1, 5], pa.uint64()), 5, 2**64 - 1),
    (pa.array([2**32 - 1, 5], pa.uint32()), 5, 2**32 - 1),
    (pa.array([1.5, float("nan"), -2.5]), -2.5, 1.5),
    (pa.array([1.5, -2.5], pa.float32()), -2.5, 1.5),
    (pa.array([1.5, -2.5], pa.float16()), -2.5, 1.5),
    (pa.array([True, False]), False, True),
    (pa.array(["b", "a" * 300]), b"a" * 300, b"b"),
    (pa.array(["b", "a"], pa.large_string()), b"a", b"b"),
    (pa.array(["b", "a"]).dictionary_encode(), b"a", b"b"),
    (pa.array([b"\x00", b"\xff\xff"]), b"\x00", b"\xff\xff"),
    (pa.array([b"ab", b"cd"], pa.binary(2)), b"ab", b"cd"),
    (pa.array([dt.date(1970, 1, 2), dt.date(1969, 12, 31)]), -1, 1),
    (pa.array([86_400_000, 0], pa.date64()), 0, 1),
    (pa.array([1, -1], pa.timestamp("s")), -(10**9), 10**9),
    (pa.array([1, -1], pa.timestamp("ms", "Europe/Berlin")), -(10**6), 10**6),
    (pa.array([1, -1], pa.timestamp("us")), -(10**3), 10**3),
    (pa.array([1, -1], pa.timestamp("ns")), -1, 1),
    (pa.array([253402300800000000 * 3], pa.timestamp("us")), 253402300800000000 * 3000, 253402300800000000 * 3000),
    (pa.array([1, 2], pa.time32("ms")), 10**6, 2 * 10**6),
    (pa.array([1, 2], pa.time64("ns")), 1, 2),
    (pa.array([1, 2], pa.duration("ms")), 10**6, 2 * 10**6),
    (pa.array([Decimal("-1.10"), Decimal("2.20")], pa.decimal128(5, 2)), Decimal("-1.10"), Decimal("2.20")),
    (pa.array([Decimal("9" * 40 + ".01")], pa.decimal256(60, 2)), Decimal("9" * 40 + ".01"), Decimal("9" * 40 + ".01")),
]


@pytest.mark.parametrize(("values", "low", "high"), TYPED, ids=[str(case[0].type) for case in TYPED])
def test_the_bounds_of_every_type_are_exact(tmp_path: Path, values: pa.Array, low: object, high: object) -> None:
    facts = read_footer(str(tmp_path), write(tmp_path, pa.table({"x": values})))
    assert bounds(facts, '["x"]') == (low, low, high, high, "tight", values.null_count)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([None, None], pa.int64()),
        pa.array([], pa.string()),
        pa.array([float("nan")]),
        pa.array([[1], [2]]),
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
        pa.array([None], pa.null()),
    ],
    ids=["all null", "empty", "NaN", "list", "map", "null type"],
)
def test_where_there_is_no_bound_none_is_made_up(tmp_path: Path, values: pa.Array) -> None:
    facts = read_footer(str(tmp_path), write(tmp_path, pa.table({"x": values})))
    assert bounds(facts, '["x"]')[:5] == (None, None, None, None, "none")
    assert facts.n_rows == len(values)


def test_int96_timestamps_have_no_bounds(tmp_path: Path) -> None:
    table = pa.table({"x": pa.array([1, 2], pa.timestamp("us"))})
    entry = write(tmp_path, table, use_deprecated_int96_timestamps=True)
    assert bounds(read_footer(str(tmp_path), entry), '["x"]')[4] == "none"


def test_row_groups_are_merged_and_one_without_statistics_spoils_the_column(tmp_path: Path) -> None:
    table = pa.table({"x": [5, 1, None, None, 9, 2], "s": ["b", "a", None, "z" * 5000, "c", "d"]})
    facts = read_footer(str(tmp_path), write(tmp_path, table, row_group_size=2))
    assert facts.row_group_rows == [2, 2, 2]
    assert len(facts.row_group_bytes) == 3
    assert bounds(facts, '["x"]') == (1, 1, 9, 9, "tight", 2)
    # Arrow leaves out bounds of more than 4096 bytes
    assert bounds(facts, '["s"]') == (None, None, None, None, "none", 1)


def test_nested_and_repeated_names(tmp_path: Path) -> None:
    struct = pa.array([{"x": 1, "l": [1, 2]}, None, {"x": None, "l": []}])
    table = pa.table([pa.array([1, 2, 3]), pa.array([7, 8, 9]), struct], names=["a", "a", "s"])
    facts = read_footer(str(tmp_path), write(tmp_path, table))
    assert [leaf.token for leaf in facts.leaves] == ['["a"]', '["a",2]', '["s","x"]', '["s","l"]']
    assert bounds(facts, '["a",2]')[:4] == (7, 7, 9, 9)
    assert bounds(facts, '["s","x"]') == (1, 1, 1, 1, "tight", 2)
    assert bounds(facts, '["s","l"]')[4] == "none"


def test_bounds_of_an_unknown_writer_may_be_cut(tmp_path: Path) -> None:
    entry = write(tmp_path, pa.table({"s": ["a", "b"], "b": [b"a", b"b"], "i": [1, 2]}))
    relabelled(tmp_path / entry.path, b"parquet-mr")
    facts = read_footer(str(tmp_path), entry)
    assert bounds(facts, '["s"]') == (b"a", b"a\xff", None, b"b", "cut", 0)
    assert bounds(facts, '["b"]') == (b"a", None, None, b"b", "cut", 0)
    assert bounds(facts, '["i"]') == (1, 1, 2, 2, "tight", 0)


def test_five_thousand_columns(tmp_path: Path) -> None:
    table = pa.table({f"c{index}": [index, index + 1] for index in range(5000)})
    facts = read_footer(str(tmp_path), write(tmp_path, table))
    assert len(facts.leaves) == 5000
    assert bounds(facts, '["c4999"]')[:4] == (4999, 4999, 5000, 5000)


def test_ten_thousand_columns_of_numbers_and_text_stall_no_reader(tmp_path: Path) -> None:
    table = pa.table({f"c{index}": [index] if index % 2 else [b"x"] for index in range(10_000)})
    (facts,) = read_footers(str(tmp_path), [write(tmp_path, table)])
    assert isinstance(facts, FileFacts), facts.reason
    assert len(facts.leaves) == 10_000


def test_one_column_no_rows_and_no_columns(tmp_path: Path) -> None:
    assert read_footer(str(tmp_path), write(tmp_path, pa.table({"x": pa.array([], pa.int64())}))).n_rows == 0
    no_columns = pa.table({"x": [1, 2]}).select([])
    assert read_footer(str(tmp_path), write(tmp_path, no_columns)).leaves == []


def test_truncated_files_are_listed_with_a_reason(tmp_path: Path) -> None:
    entry = write(tmp_path, pa.table({"x": list(range(1000)), "s": [str(n) for n in range(1000)]}))
    data = (tmp_path / entry.path).read_bytes()
    for size in (0, 1, 3, 8, len(data) // 2, len(data) - 9, len(data) - 1):
        (tmp_path / entry.path).write_bytes(data[:size])
        (found,) = read_footers(str(tmp_path), [FileEntry(entry.path, size, 1)])
        assert isinstance(found, Unreadable)
        assert found.reason


def test_a_missing_file_does_not_stop_the_others(tmp_path: Path) -> None:
    entry = write(tmp_path, pa.table({"x": [1]}))
    entries = [entry, FileEntry("gone.parquet", 1, 1)] * 100
    found = read_footers(str(tmp_path), entries, 3)
    assert [isinstance(one, FileFacts) for one in found] == [True, False] * 100


def test_flipped_bits_end_in_facts_or_in_a_source_error(tmp_path: Path) -> None:
    table = pa.table(
        {"x": list(range(500)), "s": [str(n % 7) for n in range(500)], "n": [{"a": n} for n in range(500)]}
    )
    entry = write(tmp_path, table, row_group_size=200)
    data = (tmp_path / entry.path).read_bytes()
    rng = random.Random(7)
    entries = []
    for number in range(300):
        flipped = bytearray(data)
        for _ in range(rng.choice([1, 1, 4])):
            # most flips hit the footer, where they do the most
            place = rng.randrange(len(data) - 1500, len(data)) if rng.random() < 0.7 else rng.randrange(len(data))
            flipped[place] ^= 1 << rng.randrange(8)
        entries.append(FileEntry(f"flipped{number}.parquet", len(flipped), 1))
        (tmp_path / entries[-1].path).write_bytes(flipped)
    n_refused = 0
    for entry, found in zip(entries, read_footers(str(tmp_path), entries), strict=True):
        if isinstance(found, Unreadable):
            n_refused += 1
            continue
        tokens = [leaf.token for leaf in found.leaves]
        split = Split(0, 0, entry.path, "parquet", None, (), (), 0, 0)
        with contextlib.suppress(SourceError):
            for cells in read_split(str(tmp_path), split, tokens, ReadCounter()):
                assert set(cells) == set(tokens)
    assert n_refused > 50


def test_a_footer_on_which_the_reader_dies_costs_one_file(tmp_path: Path) -> None:
    good = write(tmp_path, pa.table({"x": ["a"] * 20}))
    data = bytearray((tmp_path / good.path).read_bytes())
    # column metadata that says another physical type than the schema: pyarrow aborts on it
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    place = data.index(b"\x15\x0c", footer + 40)
    data[place + 1] = 0x04
    (tmp_path / "bad.parquet").write_bytes(data)
    entries = [good, FileEntry("bad.parquet", len(data), 1), good]
    found = read_footers(str(tmp_path), entries)
    assert [isinstance(one, FileFacts) for one in found] == [True, False, True]
    assert isinstance(found[1], Unreadable)
    assert "its footer is damaged" in found[1].reason


def test_leaves_without_regard_to_case(tmp_path: Path) -> None:
    entry = write(tmp_path, pa.table({"Ab": [1], "aB": [2]}))
    facts = read_footer(str(tmp_path), entry, ignore_case=True)
    assert [leaf.token for leaf in facts.leaves] == ['["ab"]', '["ab",2]']
    assert [leaf.token for leaf in schema_leaves(pa.schema([("Ab", pa.int8())]))] == ['["Ab"]']

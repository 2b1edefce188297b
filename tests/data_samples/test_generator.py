"""The sample lake: the same each time, and as its truth says."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.generator import generate_sample_lake, main, sample_families, truth_path
from lakebed.data_samples.truth import Truth, load_truth
from tests.oracle.brute_force import Leaves, contained_pairs, schema_pairs
from tests.oracle.independent_reader import read_any

Lake = tuple[Path, Truth]


@pytest.fixture(scope="session")
def read_tables(sample_lake: Lake) -> dict[str, Leaves]:
    root, truth = sample_lake
    return {table.name: Leaves(read_any(root, table.path, table.format)) for table in truth.tables}


def test_every_table_is_read_with_its_size(sample_lake: Lake, read_tables: dict[str, Leaves]) -> None:
    _, truth = sample_lake
    assert {table.name: table.n_rows for table in truth.tables} == {
        name: leaves.n_rows for name, leaves in read_tables.items()
    }


def test_schema_pairs_are_those_of_the_oracle(sample_lake: Lake, read_tables: dict[str, Leaves]) -> None:
    _, truth = sample_lake
    listed = [(pair.child, pair.parent) for pair in truth.pairs]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(schema_pairs(read_tables))


@pytest.mark.parametrize("semantics", ["set", "bag"])
def test_truth_is_that_of_the_oracle(sample_lake: Lake, read_tables: dict[str, Leaves], semantics: str) -> None:
    _, truth = sample_lake
    assert truth.contained(semantics) == contained_pairs(read_tables, semantics)  # type: ignore[arg-type]


def test_truth_knows_all_kinds_of_pairs(sample_lake: Lake) -> None:
    _, truth = sample_lake
    kinds = Counter((pair.is_set_contained, pair.is_bag_contained) for pair in truth.pairs)
    assert min(kinds[True, True], kinds[True, False], kinds[False, False]) >= 10
    assert kinds[False, True] == 0
    assert all(pair.why for pair in truth.pairs)
    assert {table.format for table in truth.tables} == {"parquet", "delta", "csv", "json"}


def test_sizes_are_those_of_a_sample(sample_lake: Lake) -> None:
    root, truth = sample_lake
    assert 60 <= len(truth.tables) <= 110
    assert max(table.n_rows for table in truth.tables) == 50_000
    assert min(table.n_rows for table in truth.tables) == 0
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 10_000_000


def test_same_seed_makes_the_same_lake(sample_lake: Lake, tmp_path: Path) -> None:
    root, truth = sample_lake
    assert generate_sample_lake(tmp_path / "again") == truth
    assert _digests(tmp_path / "again", truth) == _digests(root, truth)


def test_tables_of_another_seed_differ() -> None:
    ours, theirs = (sample_families(seed)[0].tables[0].data for seed in (7, 8))
    assert not ours.equals(theirs)


def test_second_call_does_nothing(sample_lake: Lake) -> None:
    root, truth = sample_lake
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert generate_sample_lake(root) == truth == load_truth(truth_path(root))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_half_made_lake_is_made_again(sample_lake: Lake, tmp_path: Path) -> None:
    _, truth = sample_lake
    (tmp_path / "lake" / "sales").mkdir(parents=True)
    Truth(stamp={}, tables=(), pairs=(), unreadable={}).save(truth_path(tmp_path / "lake"))
    assert main([str(tmp_path / "lake")]) == 0
    assert load_truth(truth_path(tmp_path / "lake")) == truth


def test_folder_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(SourceError, match="holds other files"):
        generate_sample_lake(tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "keep me"


def test_unreadable_files_cannot_be_read(sample_lake: Lake) -> None:
    root, truth = sample_lake
    assert set(truth.unreadable) == {"broken/orders_truncated", "broken/never_written"}
    for name in truth.unreadable:
        with pytest.raises(pa.ArrowInvalid):
            pq.read_table(root / f"{name}.parquet")


def _digests(root: Path, truth: Truth) -> dict[str, str]:
    """Digest of each file; delta-rs names its files at random, so of its tables the rows count."""
    digests = {}
    for table in truth.tables:
        files = sorted(path for path in [root / table.path, *(root / table.path).rglob("*")] if path.is_file())
        if table.format == "delta":
            rows = read_any(root, table.path, "delta").to_pylist()
            content = [repr(sorted(map(repr, rows))).encode()]
        else:
            content = [path.relative_to(root).as_posix().encode() + path.read_bytes() for path in files]
        digests[table.name] = hashlib.sha256(b"".join(content)).hexdigest()
    return digests


def test_digest_sees_one_changed_byte(sample_lake: Lake, tmp_path: Path) -> None:
    root, truth = sample_lake
    shutil.copytree(root, tmp_path / "copy")
    changed = tmp_path / "copy" / "reference" / "order_states.csv"
    changed.write_bytes(changed.read_bytes().replace(b"open", b"Open"))
    ours, theirs = _digests(root, truth), _digests(tmp_path / "copy", truth)
    assert {name for name in ours if ours[name] != theirs[name]} == {"reference/order_states"}

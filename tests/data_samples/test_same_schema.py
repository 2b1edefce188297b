"""The same-schema family of the benchmarks."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.same_schema import same_schema_table, write_same_schema_lake
from tests.benchmarks.fingerprints import FingerprintLake
from tests.oracle.duckdb_oracle import DuckDbOracle, read_schemas, schema_pairs


@pytest.fixture(scope="module")
def family_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("family") / "lake"


def test_contained_pairs_are_the_ones_named(family_root: Path) -> None:
    family = write_same_schema_lake(family_root, n_tables=56, n_rows=100)
    names = sorted(read_schemas(family_root))
    assert len(schema_pairs(family_root)) == 56 * 55
    assert FingerprintLake(family_root, names).contained_pairs() == family.contained
    oracle = DuckDbOracle(family_root)
    assert len(family.contained) == 6
    assert all(oracle.is_contained(*pair, "bag") for pair in family.contained)
    # the spoiled copy differs from its original in one cell
    assert not oracle.is_contained("orders_00050", "orders_00049")


def test_bounds_tell_nothing(family_root: Path) -> None:
    family = write_same_schema_lake(family_root, n_tables=56, n_rows=100)
    contained = {child for child, _ in family.contained}
    bounds = {
        tuple((column.statistics.min, column.statistics.max) for column in _chunks(family_root / f"{name}.parquet"))
        for name in read_schemas(family_root)
        if name not in contained
    }
    assert len(bounds) == 1


def test_second_call_does_nothing(family_root: Path) -> None:
    write_same_schema_lake(family_root, n_tables=56, n_rows=100)
    times = {path: path.stat().st_mtime_ns for path in family_root.iterdir()}
    write_same_schema_lake(family_root, n_tables=56, n_rows=100)
    assert {path: path.stat().st_mtime_ns for path in family_root.iterdir()} == times


def test_table_does_not_depend_on_the_size_of_the_family() -> None:
    assert same_schema_table(15, 60, 7).equals(same_schema_table(15, 60, 7))
    assert not same_schema_table(15, 60, 7).equals(same_schema_table(15, 60, 8))


def test_folder_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(SourceError, match="holds other files"):
        write_same_schema_lake(tmp_path, 3)


def _chunks(path: Path) -> list[pq.ColumnChunkMetaData]:
    group = pq.read_metadata(path).row_group(0)
    return [group.column(position) for position in range(group.num_columns)]

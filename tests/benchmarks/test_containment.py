"""The benchmark's own arithmetic and choice of baselines."""

from pathlib import Path

import pytest

from lakebed.data_samples.same_schema import SameSchemaLake, write_same_schema_lake
from tests.benchmarks.containment import Lake, _duckdb, _fingerprints, _is_plain_parquet, fit_exponent


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> SameSchemaLake:
    return write_same_schema_lake(tmp_path_factory.mktemp("family") / "lake", n_tables=151, n_rows=20)


def test_exponent_of_a_power_law() -> None:
    fit = fit_exponent({100: 2.0, 200: 2.0 * 2**1.1, 400: 2.0 * 4**1.1})
    assert (fit["exponent"], fit["last"]) == (1.1, 1.1)


def test_fixed_cost_shows_between_the_two_measures() -> None:
    fit = fit_exponent({size: 10 + size * 0.01 for size in (250, 500, 1_000, 4_000)})
    assert float(str(fit["exponent"])) < float(str(fit["last"])) < 1


def test_big_families_are_sampled_and_extrapolated(family: SameSchemaLake) -> None:
    lake = Lake("family", family.root)
    for record in _duckdb(lake, 50, set(family.contained)):
        assert (record["is_extrapolated"], record["n_pairs"], record["n_pairs_timed"]) == (True, 151 * 150, 50)
        assert float(str(record["wall_s"])) > float(str(record["timed_s"]))
        assert record["is_agreeing"]


def test_disagreement_is_said(family: SameSchemaLake) -> None:
    (right,) = _fingerprints(Lake("family", family.root), set(family.contained))
    (wrong,) = _fingerprints(Lake("family", family.root), set())
    assert (right["is_agreeing"], wrong["is_agreeing"]) == (True, False)


def test_only_plain_parquet_lakes_have_baselines(family: SameSchemaLake, tmp_path: Path) -> None:
    assert _is_plain_parquet(family.root)
    for path in ("a/part-0.parquet", "a/k=1/x.parquet", "a.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
        assert not _is_plain_parquet(tmp_path)
        (tmp_path / path).unlink()

"""DuckDB's answers equal those of the brute force on random small lakes, and on cases of its own."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.oracle import brute_force
from tests.oracle.brute_force import Leaves
from tests.oracle.duckdb_oracle import DuckDbOracle, duckdb_pairs, schema_pairs

_KINDS = (pa.int64(), pa.float64(), pa.decimal128(21, 2), pa.string(), pa.bool_())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("semantics", ["set", "bag"])
def test_agrees_with_brute_force(tmp_path: Path, seed: int, semantics: brute_force.Semantics) -> None:
    rng = np.random.default_rng(seed)
    tables = {f"t{number}": _random_table(rng) for number in range(20)}
    _write(tmp_path, tables)
    leaves = {name: Leaves(table) for name, table in tables.items()}
    expected = brute_force.contained_pairs(leaves, semantics)
    assert schema_pairs(tmp_path) == sorted(brute_force.schema_pairs(leaves))
    assert len(expected) > 5
    assert duckdb_pairs(tmp_path, semantics) == expected


@pytest.mark.parametrize("is_loaded", [False, True])
def test_odd_names_and_values(tmp_path: Path, is_loaded: bool) -> None:
    ours = pa.table({'a "b"': [float("nan"), -0.0, None], "k=v": ["x", None, "y"]})
    theirs = pa.table({"k=v": ["y", "x", None], 'a "b"': [None, float("nan"), 0.0], "c": [1, 2, 3]})
    _write(tmp_path / "it's", {"year=1/ours": ours, "theirs": theirs})
    oracle = DuckDbOracle(tmp_path / "it's", is_loaded=is_loaded)
    assert schema_pairs(tmp_path / "it's") == [("year=1/ours", "theirs")]
    assert oracle.is_contained("year=1/ours", "theirs", "bag")


def test_decimals_and_integers_compare_exactly(tmp_path: Path) -> None:
    big = 2**53 + 1
    _write(tmp_path, {"int": pa.table({"a": [big]}), "decimal": pa.table({"a": [Decimal(big)]})})
    _write(tmp_path, {"even": pa.table({"a": [big - 1]})})
    assert duckdb_pairs(tmp_path) == {("int", "decimal"), ("decimal", "int")}


def test_only_the_pairs_asked_for(tmp_path: Path) -> None:
    _write(tmp_path, {name: pa.table({"a": [1]}) for name in "xyz"})
    assert duckdb_pairs(tmp_path, pairs=[("x", "y")]) == {("x", "y")}


def _random_table(rng: np.random.Generator) -> pa.Table:
    """Up to three columns of few values in a random type each, so that containment and its near misses abound."""
    names = [name for name in "abc" if rng.random() < 0.6] or ["a"]
    n_rows = int(rng.integers(0, 5))
    return pa.table({name: _random_column(rng, n_rows) for name in names})


def _random_column(rng: np.random.Generator, n_rows: int) -> pa.Array:
    kind = _KINDS[int(rng.choice(len(_KINDS), p=[0.4, 0.2, 0.2, 0.1, 0.1]))]
    numbers = [None if draw == 0 else int(draw) for draw in rng.integers(0, 3, n_rows)]
    return pa.array(numbers, pa.int64()).cast(kind)


def _write(root: Path, tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        path = root / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)

"""A family of N tables with one schema: the worst case for comparing pairs, for benchmarks.

Nine tables of ten are independent draws from the same ranges, so bounds say little; every tenth is a random part of an
earlier table, and every hundredth a copy of one with a bad cell.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.randomness import generator

FAMILY_VERSION = 1
_STATES = np.array(["open", "paid", "sent", "returned"])


@dataclass(frozen=True)
class SameSchemaLake:
    """What was written: the lake's folder and the contained pairs (child, parent), the same for sets and bags."""

    root: Path
    n_tables: int
    n_rows: int
    contained: frozenset[tuple[str, str]]


def write_same_schema_lake(root: Path, n_tables: int, n_rows: int = 1_000, seed: int = 7) -> SameSchemaLake:
    """Write `n_tables` Parquet files of eight columns, or leave them where they are already written.

    Args:
        root: folder of the lake, which holds nothing else.
        n_tables: files.
        n_rows: rows of an independent table; a contained one has a third of them.
        seed: of the contents; a table depends on the seed and its own number only.

    Raises:
        SourceError: when `root` holds other files.
    """
    marker = root.with_name(root.name + ".family.json")
    stamp = json.dumps({"version": FAMILY_VERSION, "n_tables": n_tables, "n_rows": n_rows, "seed": seed})
    if not (marker.is_file() and marker.read_text() == stamp and root.is_dir()):
        _clear(root, marker)
        for number in range(n_tables):
            pq.write_table(same_schema_table(number, n_rows, seed), root / f"{_name(number)}.parquet")
        marker.write_text(stamp)
    contained = frozenset((_name(number), _name(number - 1)) for number in range(n_tables) if _is_part(number))
    return SameSchemaLake(root, n_tables, n_rows, contained)


def same_schema_table(number: int, n_rows: int, seed: int) -> pa.Table:
    """The rows of one table."""
    if _is_part(number):
        parent = same_schema_table(number - 1, n_rows, seed)
        chosen = generator(seed, f"part {number}").choice(n_rows, n_rows // 3, replace=False)
        return parent.take(pa.array(np.sort(chosen)))
    if number % 100 == 50:
        parent = same_schema_table(number - 1, n_rows, seed)
        amounts = parent["amount_cents"].to_numpy().copy()
        amounts[n_rows // 2] += 1
        return parent.set_column(2, "amount_cents", pa.array(amounts))
    return _independent_table(generator(seed, f"table {number}"), n_rows)


def _independent_table(rng: np.random.Generator, n_rows: int) -> pa.Table:
    """Columns whose bounds are attained in every table, so that only the rows can tell."""
    amounts = rng.integers(0, 100_000, n_rows)
    amounts[:2] = 0, 99_999
    return pa.table(
        {
            "order_id": pa.array(np.r_[0, np.sort(rng.integers(0, 10**9, n_rows - 2)), 10**9]),
            "customer_id": pa.array(np.r_[0, rng.integers(0, 5_000, n_rows - 2), 5_000]),
            "amount_cents": pa.array(amounts),
            "discount": pa.array(np.r_[0.0, np.round(rng.random(n_rows - 2), 2), 1.0]),
            "state": pa.array(_STATES[np.r_[0, 3, rng.integers(0, 4, n_rows - 2)]]),
            "article": pa.array([f"A{code:05d}" for code in np.r_[0, 99_999, rng.integers(0, 100_000, n_rows - 2)]]),
            "day": pa.array(np.r_[0, 3_650, rng.integers(0, 3_651, n_rows - 2)].astype(np.int32), pa.date32()),
            "is_gift": pa.array(rng.random(n_rows) < 0.5),
        }
    )


def _is_part(number: int) -> bool:
    return number % 10 == 5


def _name(number: int) -> str:
    return f"orders_{number:05d}"


def _clear(root: Path, marker: Path) -> None:
    if root.exists() and not marker.is_file() and any(root.iterdir()):
        raise SourceError("the folder for the benchmark lake holds other files", value=root, expected="an empty folder")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    marker.write_text("")

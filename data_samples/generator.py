"""Makes the sample lake: about eighty small tables of a retailer in four formats, with the truth about them.

`python -m lakebed.data_samples.generator OUT` writes the lake to `OUT` and the truth beside it, to `OUT.truth.json`.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.families import BUILDERS
from lakebed.data_samples.model import Family, SampleTable
from lakebed.data_samples.truth import TrueTable, Truth, check_against_truth, is_vacuous, load_truth, true_pairs

GENERATOR_VERSION = 3
TRUTH_SUFFIX = ".truth.json"

__all__ = ["check_against_truth", "generate_sample_lake", "load_truth", "sample_families", "truth_path"]


def truth_path(root: Path) -> Path:
    """Where the truth about the lake at `root` is kept: beside it, so that the lake holds tables only."""
    return root.with_name(root.name + TRUTH_SUFFIX)


def sample_families(seed: int = 7) -> tuple[Family, ...]:
    """The tables of the sample lake in memory, with the claims about them."""
    return tuple(build(seed) for build in BUILDERS)


def generate_sample_lake(root: Path, seed: int = 7) -> Truth:
    """Write the sample lake below `root`, or leave it where this version and seed already made it.

    Raises:
        SourceError: when `root` holds something that this generator did not make.
    """
    marker, stamp = truth_path(root), _stamp(seed)
    if marker.is_file() and root.is_dir() and (truth := load_truth(marker)).stamp == stamp:
        return truth
    _clear(root, marker)
    families = sample_families(seed)
    tables = [table for family in families for table in family.tables]
    root.mkdir(parents=True)
    Truth(stamp={}, tables=(), pairs=(), unreadable={}).save(marker)  # a killed run leaves its folder recognisably ours
    described = tuple(_write(table, root) for table in tables)
    truth = Truth(stamp, described, true_pairs(families), _write_clutter(root, tables[0].data))
    truth.save(marker)
    return truth


def _stamp(seed: int) -> dict[str, str]:
    return {
        "generator": str(GENERATOR_VERSION),
        "seed": str(seed),
        "pyarrow": pa.__version__,
        "deltalake": version("deltalake"),
    }


def _write(table: SampleTable, root: Path) -> TrueTable:
    path = table.layout.write(root, table.name, table.data)
    return TrueTable(
        name=table.name,
        path=path,
        format=table.layout.format,
        n_rows=table.data.num_rows,
        n_columns=table.data.num_columns,
        is_vacuous=is_vacuous(table.data),
        note=table.note,
    )


def _write_clutter(root: Path, data: pa.Table) -> dict[str, str]:
    """What lies in every real lake besides tables; returns name and reason of the files that cannot be read."""
    (root / "broken").mkdir()
    truncated = root / "broken" / "orders_truncated.parquet"
    pq.write_table(data.slice(0, 1_000), truncated)
    truncated.write_bytes(truncated.read_bytes()[:-100])
    (root / "broken" / "never_written.parquet").touch()
    for hidden in ("_SUCCESS", ".DS_Store", "_temporary/0/part-00000.parquet", ".trash/orders.parquet"):
        (root / hidden).parent.mkdir(parents=True, exist_ok=True)
        (root / hidden).write_bytes(b"not a table")
    return {"broken/orders_truncated": "the file ends before its footer", "broken/never_written": "the file is empty"}


def _clear(root: Path, marker: Path) -> None:
    if root.exists() and not marker.is_file() and (not root.is_dir() or any(root.iterdir())):
        raise SourceError(
            "the folder for the sample lake holds other files",
            value=root,
            expected="an empty or absent folder",
            hint="python -m lakebed.data_samples.generator ANOTHER_FOLDER",
        )
    shutil.rmtree(root, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry: writes the lake and its truth, prints where the truth lies."""
    parser = argparse.ArgumentParser(prog="python -m lakebed.data_samples.generator", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the lake, made if absent")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    generate_sample_lake(options.out, options.seed)
    sys.stdout.write(f"{truth_path(options.out)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

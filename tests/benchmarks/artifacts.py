"""How large the artifacts of a lake are, and how they grow: `python -m tests.benchmarks.artifacts [--lake PATH]`.

One JSON object a measurement on standard output, with the bound of issue 15 where there is one. A first run on a copy
of the lake, then nights: each adds a row to one table, runs, and lets `gc` keep the newest run alone. Without `--lake`:
the sample lake. Sizes are those of the files.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.data_samples.generator import generate_sample_lake
from tests.benchmarks.chain import CACHE, say, timed_run

MAX_SAMPLE_BYTES = 100_000_000
MAX_TO_LAKEGRAPH = 1.2
MAX_BYTES_A_NODE = 1_800
TO_LAKEGRAPH = ("inventory", "containment", "relations", "retention", "lakegraph")
VECTORS = ("embeddings", "index")


def main(arguments: Sequence[str] | None = None) -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, help="a lake instead of the sample lake; it is copied")
    parser.add_argument("--to", default="index", help="last stage")
    parser.add_argument("--nights", type=int, default=3, help="runs after a change")
    options = parser.parse_args(arguments)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lakebed-artifacts-", dir=CACHE) as name:
        folder = Path(name)
        lake, root = folder / "lake", folder / "artifacts"
        if options.lake is None:
            generate_sample_lake(lake)
        else:
            subprocess.run(["cp", "-a", str(options.lake), str(lake)], check=True)
        answer, _ = timed_run(lake, root, ("--to", options.to))
        say(first_figures(options.lake.name if options.lake else "sample", answer, size_of(lake), sizes(root)))
        for night in range(1, options.nights + 1):
            say(night_figures(night, lake, root, options.to))


def first_figures(name: str, answer: Mapping[str, Any], lake_bytes: int, found: Mapping[str, int]) -> dict[str, Any]:
    """Bytes by folder of the root, and what the bounds are of."""
    before_graph, vectors = (sum(found.get(stage, 0) for stage in stages) for stages in (TO_LAKEGRAPH, VECTORS))
    nodes = answer.get("lakegraph", {}).get("nodes", 0)
    figures: dict[str, Any] = {
        "measurement": "first",
        "lake": name,
        "lake_bytes": lake_bytes,
        "bytes": sum(found.values()),
        "bound_bytes": MAX_SAMPLE_BYTES if name == "sample" else None,
        "to_lakegraph_of_lake": round(before_graph / lake_bytes, 3),
        "bound_to_lakegraph": MAX_TO_LAKEGRAPH,
        "nodes": nodes,
        "vectors_and_index_a_node": round(vectors / nodes) if nodes else None,
        "bound_a_node": MAX_BYTES_A_NODE,
    }
    return {**figures, "of": dict(found)}


def night_figures(night: int, lake: Path, root: Path, to: str) -> dict[str, Any]:
    """A row more in one table, a run, `gc`; how much larger lake and root are then."""
    before, lake_before = sizes(root), size_of(lake)
    changed = append_row(lake)
    answer, seconds = timed_run(lake, root, ("--to", to))
    grown = sum(sizes(root).values()) - sum(before.values())
    rebuilt = [stage["stage"] for stage in answer["stages"] if not stage["reused"]]
    lakebed("gc", "--artifacts", str(root), "--keep", "1", "--keep-days", "0", "--yes", "--json")
    after = sizes(root)
    return {
        "measurement": "night",
        "night": night,
        "changed": changed,
        "rebuilt": rebuilt,
        "seconds": round(seconds, 1),
        "lake_grown_bytes": size_of(lake) - lake_before,
        "grown_before_gc_bytes": grown,
        "grown_bytes": sum(after.values()) - sum(before.values()),
        "of": {name: after.get(name, 0) - before.get(name, 0) for name in sorted({*before, *after})},
    }


def append_row(lake: Path) -> str:
    """Writes the largest plain Parquet file anew with its first row once more at the end; its path in the lake."""
    files = [path for path in lake.rglob("*.parquet") if not any((up / "_delta_log").exists() for up in path.parents)]
    path = max(files, key=lambda each: each.stat().st_size)
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    return str(path.relative_to(lake))


def sizes(root: Path) -> dict[str, int]:
    """Bytes of the files below each folder of an artifact root."""
    return {each.name: size_of(each) for each in sorted(root.iterdir()) if each.is_dir()}


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def lakebed(*arguments: str) -> Any:
    """What a verb printed with `--json`."""
    command = [sys.executable, "-m", "lakebed.flows.cli.main", *arguments]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    main()

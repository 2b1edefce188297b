"""Writes the tables of `docs/benchmarks.md` from what the benchmarks printed: `python -m tests.benchmarks.page`.

A table stands between `<!-- table NAME -->` and `<!-- end -->`; its figures come from `docs/benchmarks/NAME.jsonl`, one
JSON object a line as the benchmark of that name prints them. To renew a table, put the benchmark's output there and run
this. Everything else on the page is written by hand.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
FOLDER = ROOT / "docs" / "benchmarks"

_METHODS = {"tree": "dynamic programme", "ilp": "HiGHS"}

Record = dict[str, Any]
TIMES = "\N{MULTIPLICATION SIGN}"
_TABLE = re.compile(r"(<!-- table ([a-z_]+) -->\n\n?)(.*?)(\n?<!-- end -->)", re.DOTALL)


def main() -> int:
    """Rewrites the page in place."""
    PAGE.write_text(rendered(PAGE.read_text(), FOLDER))
    return 0


def rendered(page: str, folder: Path) -> str:
    """The page with its tables made anew.

    Raises:
        KeyError: if a table is asked for that nobody knows.
        OSError: if its figures are not there.
    """
    return _TABLE.sub(lambda found: f"<!-- table {found[2]} -->\n\n{table(found[2], folder)}\n<!-- end -->", page)


def table(name: str, folder: Path) -> str:
    """One table as Markdown."""
    return TABLES[name](folder)


def read(folder: Path, name: str) -> list[Record]:
    """The records of one file."""
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines() if line]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all cells but the first of a row are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def summary_table(folder: Path) -> str:
    """Relative size and CPU seconds, the mean over seeds, beside the authors' program."""
    records = read(folder, "summary")
    edges = {record["graph"]: record["edges"] for record in records if "edges" in record}
    theirs = {record["graph"]: record for record in read(folder, "summary_authors")}
    rows = []
    for mean in (record for record in records if "mean_of_seeds" in record):
        name, other = mean["graph"], theirs.get(mean["graph"], {})
        if not mean["lossless"]:
            raise ValueError(f"a summary of {name} did not decode to its graph")
        own = [name, f"{edges[name]:,}", f"{mean['ratio']:.4f}", seconds(mean["cpu_s"])]
        rows.append([*own, f"{other['ratio']:.4f}" if other else "", seconds(other["cpu_s"]) if other else ""])
    return markdown(["graph", "edges", "relative size", "CPU s", "authors' relative size", "authors' CPU s"], rows)


def operator_table(folder: Path) -> str:
    """Products with 128 columns and neighbour queries, on each graph."""
    records = read(folder, "operator")
    queries = {record["graph"]: record for record in records if record["measurement"] == "neighbour_query"}
    products = [record for record in records if record["measurement"] == "product" and record["columns"] == 128]
    rows = [
        [
            found["graph"],
            f"{found['summary_times_scipy']:.1f} {TIMES}",
            f"{found['summary_times_csr']:.2f} {TIMES}",
            {"csr": "CSR"}.get(found["picked"], found["picked"]),
            f"{found['picked_times_better']:.2f}",
            f"{queries[found['graph']]['query_us']:.2f} µs",
        ]
        for found in products
    ]
    head = ["graph", "summary over scipy's CSR", "summary over our CSR", "picked", "picked over the better"]
    return markdown([*head, "neighbour query"], rows)


def retention_table(folder: Path) -> str:
    """How graphs of tables were solved, how far from the best choice at most, in which time."""
    rows = [
        [
            found["shape"],
            f"{found['n_tables']:,}",
            f"{found['n_edges']:,}",
            f"{found['largest_component']:,}",
            ", ".join(_METHODS.get(method, method) for method in found["methods"]),
            f"{found['gap']:.2%}" if found["gap"] else "0",
            seconds(found["cpu_seconds"]),
        ]
        for found in read(folder, "retention")
    ]
    return markdown(["graph", "tables", "edges", "largest component", "solved by", "gap", "CPU s"], rows)


def seconds(value: float) -> str:
    """Two figures that count."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


TABLES: dict[str, Callable[[Path], str]] = {
    "summary": summary_table,
    "operator": operator_table,
    "retention": retention_table,
}


if __name__ == "__main__":
    sys.exit(main())

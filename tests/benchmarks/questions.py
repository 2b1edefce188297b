"""What a question costs: `python -m tests.benchmarks.questions [--tables N] [--artifacts ROOT]`.

A generated lake of 20,000 tables, or the index of a run: CPU milliseconds of each kind of question, once everything is
open, over tables and columns drawn by the seed; of the generated lake the CPU seconds of the index stage too. One JSON
object a line.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from lakebed.answers import Answers
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.search.lake_search import LakeSearch
from lakebed.tasks.search.query_file import ask_file, file_lake
from tests.tasks.search.lakes import publish_graph, publish_index

N_ASKED, N_FILES, K = 100, 20, 10
TABLES_A_DATABASE, MOST_ROWS = 10, 200
KINDS = (
    "orders customers towns items prices visits plants measures people schools roads bills teams games films songs"
).split()
WORDS, CITIES, DAYS = 20_000, 5_000, 3_000
Line = dict[str, Any]
Values = Sequence[Any]


def generated_tables(n_tables: int, seed: int = 11) -> dict[str, dict[str, Values]]:
    """Databases of ten tables: a first one with keys, and others that refer to it and have columns of common values."""
    rng = np.random.default_rng(seed)
    tables: dict[str, dict[str, Values]] = {}
    for number in range(n_tables):
        database, place = divmod(number, TABLES_A_DATABASE)
        if place == 0:
            keys = int(rng.integers(1, 10**7)) + rng.permutation(int(rng.integers(30, 400)))
        kind = KINDS[int(rng.integers(len(KINDS)))]
        name = f"area{database % 40}/base{database:05d}/{kind}_{place}"
        tables[name] = _first_table(rng, kind, keys) if place == 0 else _other_table(rng, keys)
    return tables


def _first_table(rng: np.random.Generator, kind: str, keys: np.ndarray) -> dict[str, Values]:
    n = len(keys)
    return {f"{kind}_id": keys, "name": _texts(rng, n), "city": _cities(rng, n), "since": _days(rng, n)}


def _other_table(rng: np.random.Generator, keys: np.ndarray) -> dict[str, Values]:
    n = int(np.exp(rng.uniform(np.log(20), np.log(MOST_ROWS))))
    held: dict[str, Values] = {"id": np.arange(1, n + 1), "parent_id": rng.choice(keys, n)}
    drawn: dict[str, Callable[[], Values]] = {
        "city": lambda: _cities(rng, n),
        "day": lambda: _days(rng, n),
        "status": lambda: rng.choice(["open", "closed", "paid", "lost", "new"], n).tolist(),
        "count": lambda: rng.zipf(1.5, n).clip(max=1_000),
        "year": lambda: rng.integers(1990, 2026, n),
        "amount": lambda: np.round(rng.lognormal(4, 1, n), 2),
        "note": lambda: _texts(rng, n),
        "code": lambda: [f"{int(number):05d}" for number in rng.integers(0, 100_000, n)],
        "flag": lambda: rng.random(n) < 0.5,
        "size": lambda: rng.integers(1, 101, n),
    }
    for name in rng.permutation(list(drawn))[: int(rng.integers(3, 10))].tolist():
        held[name] = drawn[name]()
    return held


def _texts(rng: np.random.Generator, n: int) -> Values:
    words = rng.zipf(1.2, (n, 3)) % WORDS
    return [" ".join(f"w{word:x}" for word in row) for row in words.tolist()]


def _cities(rng: np.random.Generator, n: int) -> Values:
    return [f"city {number}" for number in (rng.zipf(1.3, n) % CITIES).tolist()]


def _days(rng: np.random.Generator, n: int) -> Values:
    return [str(day) for day in np.datetime64("2017-01-01") + rng.integers(0, DAYS, n)]


def questions(search: LakeSearch, tables: Sequence[str], columns: Sequence[str]) -> Mapping[str, Callable[[], int]]:
    """Each kind of question, asked of all the tables or columns; how many were asked."""

    def each(ask: Callable[[str], object], names: Sequence[str]) -> Callable[[], int]:
        return lambda: len([ask(name) for name in names])

    return {
        "joinable": each(lambda name: search.joinable(name, K), columns),
        "joinable --near": each(lambda name: search.joinable(name, K, near=True), columns),
        "similar": each(lambda name: search.similar(name, K), tables),
        "similar --near": each(lambda name: search.similar(name, K, near=True), tables),
        "similar --union": each(lambda name: search.similar(name, K, union=True), tables),
        "similar --novel": each(lambda name: search.similar(name, K, novel=True), tables),
        "search": each(lambda name: search.search(name.rpartition("/")[2], K), tables),
    }


def question_lines(search: LakeSearch) -> Iterator[Line]:
    """Of tables and columns of the lake."""
    rng, lake = np.random.default_rng(5), search.evidence.lake
    tables = [lake.tables[at] for at in rng.permutation(len(lake.tables))[:N_ASKED].tolist()]
    full = np.flatnonzero(lake.n_distinct > 0)
    columns = [search.names.key(at).removeprefix("column:") for at in rng.permutation(full)[:N_ASKED].tolist()]
    for name, ask in questions(search, tables, columns).items():
        yield {"question": name, **_measured(ask)}


def file_lines(search: LakeSearch, tables: Mapping[str, Mapping[str, Values]], folder: Path) -> Iterator[Line]:
    """Of CSV files that hold what tables of the lake do; reading them is in it."""
    chosen = np.random.default_rng(6).permutation(len(tables))[:N_FILES].tolist()
    paths = [folder / f"{at}.csv" for at in chosen]
    for path, name in zip(paths, [list(tables)[at] for at in chosen], strict=True):
        pacsv.write_csv(pa.table(dict(tables[name])), path)
    first = {path: next(iter(pacsv.read_csv(path).column_names)) for path in paths}
    asked = {
        "similar --file": lambda: len([search.similar_to(ask_file(search, path), K) for path in paths]),
        "joinable --file": lambda: len([search.joinable_to(*file_lake(path), first[path], K) for path in paths]),
    }
    for name, ask in asked.items():
        yield {"question": name, **_measured(ask)}


def _measured(ask: Callable[[], int]) -> Line:
    """A first round opens the files; then the mean."""
    started = time.process_time()
    ask()
    first = time.process_time() - started
    started = time.process_time()
    n = ask()
    seconds = time.process_time() - started
    return {"asked": n, "cpu_ms": round(seconds / n * 1_000, 2), "first_round_cpu_s": round(first, 2)}


def generated_lines(n_tables: int, folder: Path) -> Iterator[Line]:
    """The lake is made by the stages' own functions, without Spark; its vectors are powers of a random projection."""
    tables = generated_tables(n_tables)
    space, refs = publish_graph(folder, tables)
    started = time.process_time()
    refs["index"] = publish_index(space, refs)
    seconds = time.process_time() - started
    search = LakeSearch(ArtifactStore(str(folder)), refs)
    yield {"index": "generated", "tables": n_tables, "columns": search.evidence.lake.n, "cpu_s": round(seconds, 1)}
    yield from question_lines(search)
    yield from file_lines(search, tables, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=20_000, help="of the generated lake")
    parser.add_argument("--artifacts", help="root of a run to index, in place of a generated lake")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lakebed-questions-") as folder:
        if options.artifacts:
            found = question_lines(Answers(options.artifacts).search_index)
        else:
            found = generated_lines(options.tables, Path(folder))
        for line in found:
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

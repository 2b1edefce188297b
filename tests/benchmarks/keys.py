"""Foreign keys found against those declared: `python -m tests.benchmarks.keys [--train] [--lake NAME=FOLDER ...]`.

One JSON object a line: the trees, trained on other databases in five folds, and the fixed rule beside them, on Spider
with German and with English names, with 95 % intervals by bootstrap over databases; then lakes that nothing was trained
on, as `--lake tpch=FOLDER` (Parquet by tpchgen-cli), `tpcds` (DuckDB's extension), `nycflights`. `--train` writes the
trees anew from all databases, calibrated by the folds. `--spider` names the folder of databases and keys.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.kernel.choice import best_targets
from lakebed.tasks.keys.kernel.features import ColumnFacts, PairFacts, pair_facts
from lakebed.tasks.keys.kernel.rule import rule_chances
from lakebed.tasks.keys.kernel.search import folder_pairs
from lakebed.tasks.keys.kernel.trees import Trees, calibrated, raw_chances, tree_chances
from lakebed.tasks.keys.model import read_trees, write_trees
from tests.benchmarks.key_lakes import KnownLake, lake_of_tables, spider, spider_keys
from tests.benchmarks.key_trees import platt, train
from tests.benchmarks.key_truth import KEYS

SPIDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "spider"
LANGUAGES = ("de", "en")
N_FOLDS, N_DRAWS, N_BINS = 5, 500, 15
LEAST_CHANCE = KeysConfig().min_chance
Floats = NDArray[np.float64]
Line = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A lake's pairs with their figures, which of them are keys, and the group (database) of each.

    Attributes:
        n_keys: declared keys of each group, those that are no pair among them.
    """

    name: str
    facts: PairFacts
    is_key: NDArray[np.bool_]
    group: NDArray[np.str_]
    n_keys: Mapping[str, int]
    truth: frozenset[tuple[int, int]]


def task_of(name: str, known: KnownLake) -> Task:
    """Pairs of one folder, as the stage makes them."""
    lake = known.lake
    facts = ColumnFacts.of(lake)
    pairs = folder_pairs(facts)
    truth = frozenset(known.pairs())
    is_key = np.array([pair in truth for pair in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)], np.bool_)
    groups = [lake.tables[table].partition("/")[0] for table in lake.table_of.tolist()]
    n_keys: dict[str, int] = {}
    for a, _ in truth:
        n_keys[groups[a]] = n_keys.get(groups[a], 0) + 1
    return Task(name, pair_facts(facts, pairs), is_key, np.array(groups)[pairs.a], n_keys, truth)


def fold_numbers(task: Task) -> dict[str, int]:
    """The fold of each database, by a hash of its name, the same in both languages."""
    names = sorted(set(task.group.tolist()), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return {name: place % N_FOLDS for place, name in enumerate(names)}


def folds_of(task: Task) -> NDArray[np.int64]:
    """The fold of each pair."""
    number = fold_numbers(task)
    return np.array([number[name] for name in task.group.tolist()], np.int64)


def out_of_fold(tasks: Sequence[Task]) -> list[Floats]:
    """Chances of every pair by trees that saw no pair of its database, calibrated on the folds that are not its own."""
    folds, raw = [folds_of(task) for task in tasks], _raw_out_of_fold(tasks)
    out = [chance.copy() for chance in raw]
    for fold in range(N_FOLDS):
        fitted = platt(*best_of(tasks, raw, [mine != fold for mine in folds]))
        for chance, before, mine in zip(out, raw, folds, strict=True):
            chance[mine == fold] = calibrated(before[mine == fold], *fitted)
    return out


def trained(tasks: Sequence[Task]) -> Trees:
    """Trees of all databases, calibrated by what the folds said."""
    everything = [np.ones(len(task.is_key), np.bool_) for task in tasks]
    slope, offset = platt(*best_of(tasks, _raw_out_of_fold(tasks), everything))
    return replace(train(*joined(tasks, everything)), slope=slope, offset=offset)


def _raw_out_of_fold(tasks: Sequence[Task]) -> list[Floats]:
    """The same without calibration."""
    folds, raw = [folds_of(task) for task in tasks], [np.zeros(len(task.is_key)) for task in tasks]
    for fold in range(N_FOLDS):
        trees = train(*joined(tasks, [mine != fold for mine in folds]))
        for chance, task, mine in zip(raw, tasks, folds, strict=True):
            chance[mine == fold] = raw_chances(trees, task.facts.features[mine == fold])
    return raw


def joined(tasks: Sequence[Task], chosen: Sequence[NDArray[np.bool_]]) -> tuple[Floats, NDArray[np.bool_]]:
    features = [task.facts.features[mask] for task, mask in zip(tasks, chosen, strict=True)]
    return np.concatenate(features), np.concatenate([t.is_key[mask] for t, mask in zip(tasks, chosen, strict=True)])


def best_of(
    tasks: Sequence[Task], chances: Sequence[Floats], chosen: Sequence[NDArray[np.bool_]]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Of the chosen databases the best target of each column, and whether it is a key."""
    best = [best_targets(task.facts.pairs, chance, 0.0) for task, chance in zip(tasks, chances, strict=True)]
    kept = [at[mask[at]] for at, mask in zip(best, chosen, strict=True)]
    left = [chance[at] for chance, at in zip(chances, kept, strict=True)]
    return np.concatenate(left), np.concatenate([task.is_key[at] for task, at in zip(tasks, kept, strict=True)])


def measure(task: Task, chance: Floats) -> Line:
    """Precision, recall and F1 of directed keys, the interval of F1, and the calibration of best targets."""
    found = best_targets(task.facts.pairs, chance, LEAST_CHANCE)
    groups = sorted({*task.n_keys, *task.group[found].tolist()})
    hits = np.array([int(task.is_key[found][task.group[found] == name].sum()) for name in groups])
    said = np.array([int((task.group[found] == name).sum()) for name in groups])
    there = np.array([task.n_keys.get(name, 0) for name in groups])
    rng = np.random.default_rng(0)
    draws = rng.integers(len(groups), size=(N_DRAWS, len(groups)))
    f1 = 2 * hits[draws].sum(1) / np.maximum((said + there)[draws].sum(1), 1)
    low, high = np.percentile(f1, [2.5, 97.5])
    line: Line = {
        "keys": int(there.sum()), "found": len(found), "right": int(hits.sum()),
        "precision": hits.sum() / max(len(found), 1), "recall": hits.sum() / max(there.sum(), 1),
        "f1": 2 * hits.sum() / max(len(found) + there.sum(), 1), "f1_low": low, "f1_high": high,
        "ece": calibration_error(task, chance),
    }  # fmt: skip
    return {name: round(float(value), 4) if isinstance(value, float) else value for name, value in line.items()}


def calibration_error(task: Task, chance: Floats) -> float:
    """Mean distance, in 15 bins, between the chance of each column's best target and how often it is a key."""
    best = best_targets(task.facts.pairs, chance, 0.0)
    bins = np.minimum((chance[best] * N_BINS).astype(int), N_BINS - 1)
    apart = [abs(float((chance[best] - task.is_key[best])[bins == one].sum())) for one in range(N_BINS)]
    return sum(apart) / max(len(best), 1)


def spider_tasks(folder: Path) -> list[Task]:
    """Spider with the German and with the English names."""
    known = {
        language: KnownLake(lake_of_tables(spider(folder, language)), spider_keys(folder, language))
        for language in LANGUAGES
    }
    return [task_of(f"spider {language}", lake) for language, lake in known.items()]


def lake_task(name: str, folder: Path) -> Task:
    """A lake of Parquet files, one a table, with the keys that are known of it."""
    tables = {f"{name}/{path.stem}": pq.read_table(path) for path in sorted(folder.glob("*.parquet"))}
    return task_of(name, KnownLake(lake_of_tables(tables), KEYS[name](tables)))


def lines(options: argparse.Namespace) -> Iterator[Line]:
    """Every measurement."""
    tasks = spider_tasks(options.spider)
    started = time.process_time()
    chances = out_of_fold(tasks)
    seconds = time.process_time() - started
    for task, chance in zip(tasks, chances, strict=True):
        yield {"data": task.name, "model": "trees, folds by database", **measure(task, chance)}
        yield {"data": task.name, "model": "rule", **measure(task, rule_chances(task.facts))}
    yield {"bench": "training of five folds", "cpu_s": round(seconds, 1)}
    trees = read_trees()
    for name, folder in (given.split("=", 1) for given in options.lake):
        task = lake_task(name, Path(folder))
        if trees is not None:
            yield {"data": name, "model": "trees as shipped", **measure(task, tree_chances(trees, task.facts.features))}
        yield {"data": name, "model": "rule", **measure(task, rule_chances(task.facts))}
    if trees is not None:
        started = time.process_time()
        tree_chances(trees, tasks[0].facts.features)
        ms = (time.process_time() - started) * 1_000
        yield {"bench": "chances", "pairs": len(tasks[0].is_key), "cpu_ms": round(ms, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spider", type=Path, default=SPIDER)
    parser.add_argument("--train", action="store_true", help="write the trees' file anew, and end")
    parser.add_argument("--lake", action="append", default=[], metavar="NAME=FOLDER", help="a lake with known keys")
    options = parser.parse_args()
    if options.train:
        tasks = spider_tasks(options.spider)
        write_trees(trained(tasks), n_pairs=sum(len(task.is_key) for task in tasks))
        return
    for line in lines(options):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

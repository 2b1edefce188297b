"""The columns that a column can be joined with: `python -m tests.benchmarks.joins [--spider DATA] [--artifacts ROOT]`.

Of each declared foreign key of Spider's databases: at which place `joinable` has its target, in the whole lake, with
the databases as folders and without any path; the trees are those of folds that saw no pair of the database. Beside it,
in the same run, the rule that was used before (share, name, share of its own) and a fixed rule of share, uniqueness and
names. Then seeded tries where nothing is shared as it stands: dates in two formats, `Last, First` against `First Last`,
codes with a prefix, among sixty columns of the same kinds. With `--artifacts` of a run to `index`: of 400 columns drawn
from those that have a partner, a column of another table with half of its values as they stand, how many of the first
five answers are partners, of five or of as many as there are. One JSON object a line.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.answers import Answers
from lakebed.tasks.index.kernel.likeness import likeness_of
from lakebed.tasks.index.kernel.postings import Postings, overlaps
from lakebed.tasks.index.kernel.spelling import spelling_of
from lakebed.tasks.index.words import lake_terms, spelled_texts
from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.judge import Judge, judge_of
from lakebed.tasks.keys.kernel.candidates import Pairs
from lakebed.tasks.keys.kernel.columns import Lake, postings
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.keys.kernel.likeness import name_features
from lakebed.tasks.search.joins import Joiner
from lakebed.tasks.search.kernel.asked import asked_column, find_columns
from lakebed.tasks.search.lake_search import LakeSearch
from tests.benchmarks.joins_tries import N_TRIES, TRANSFORMED, transformed_tables
from tests.benchmarks.key_lakes import KnownLake, lake_and_values, spider, spider_keys
from tests.benchmarks.key_trees import train
from tests.benchmarks.keys import LANGUAGES, N_FOLDS, SPIDER, fold_numbers, folds_of, joined, task_of

Line = dict[str, Any]
Ranking = Callable[[int], NDArray[np.int64]]
N_PARTNERED, N_FIRST, HALF = 400, 5, 0.5


def rivals(facts: ColumnFacts, held: Postings) -> dict[str, Ranking]:
    """Rules of share and names."""
    lake = facts.lake

    def ranked(asked: int, *, is_rule: bool) -> NDArray[np.int64]:
        counts = overlaps(held, held.values_of(asked))
        found = np.flatnonzero((counts > 0) & (lake.table_of != lake.table_of[asked]))
        share, back = counts[found] / lake.n_distinct[asked], counts[found] / lake.n_distinct[found]
        names = name_features(lake, facts.names, Pairs(np.full(len(found), asked), found, share))
        if is_rule:
            score = share * np.where(facts.is_unique[found], 1.0, 0.5) * (0.3 + 0.7 * names[:, 3])
            return found[np.lexsort((found, -score))]
        return found[np.lexsort((found, -back, -names[:, 4], -share))]

    return {
        "share rule": lambda asked: ranked(asked, is_rule=False),
        "fixed rule": lambda asked: ranked(asked, is_rule=True),
    }


def places(truth: set[tuple[int, int]], rank: Ranking) -> Line:
    """Mean reciprocal rank of the target, how often it is first, and CPU milliseconds a question."""
    targets: dict[int, set[int]] = {}
    for a, b in truth:
        targets.setdefault(a, set()).add(b)
    started = time.process_time()
    answers = {asked: rank(asked).tolist() for asked in sorted(targets)}
    ms = (time.process_time() - started) / max(len(answers), 1) * 1_000
    at = [next((n for n, b in enumerate(answers[a], 1) if b in targets[a]), 0) for a in sorted(targets)]
    return {
        "asked": len(at), "mrr": round(float(np.mean([1 / n if n else 0 for n in at])), 4),
        "hits_at_1": round(float(np.mean([n == 1 for n in at])), 4), "cpu_ms": round(ms, 2),
    }  # fmt: skip


def without_path(lake: Lake) -> Lake:
    """The same with the tables of all databases side by side."""
    return replace(lake, tables=[name.rpartition("/")[2] for name in lake.tables])


def joiner(lake: Lake, values: pa.Table, judge: Judge) -> Joiner:
    """What answers `joinable`."""
    held = Postings(lake.indptr, lake.values, *postings(lake))
    likeness = likeness_of(lake_terms(lake, values), lake.table_of, len(lake.tables))
    return Joiner(ColumnFacts.of(lake), held, judge, spelling_of(spelled_texts(values)), likeness)


def tries() -> Iterator[Line]:
    """How often the partner comes first where it is written otherwise, by kind."""
    judge = judge_of(KeysConfig())
    for kind in TRANSFORMED:
        first, started = 0, time.process_time()
        for seed in range(N_TRIES):
            lake, values = lake_and_values(transformed_tables(kind, seed))
            names = [lake.tables[table] for table in lake.table_of.tolist()]
            joins = joiner(lake, values, judge).ranked(names.index("asked"))
            found = [names[column] for column in joins.column[:1].tolist()]
            first += found == ["partner"] and not np.isnan(joins.spelled[0])
        seconds = time.process_time() - started
        yield {"tries": kind, "n": N_TRIES, "partner_first": round(first / N_TRIES, 4), "cpu_s": round(seconds, 2)}


def lines(folder: Path) -> Iterator[Line]:
    held = {language: lake_and_values(spider(folder, language)) for language in LANGUAGES}
    known = {language: KnownLake(lake, spider_keys(folder, language)) for language, (lake, _) in held.items()}
    tasks = [task_of(language, lake) for language, lake in known.items()]
    folds = [folds_of(task) for task in tasks]
    judges = [Judge("trees", "", train(*joined(tasks, [mine != fold for mine in folds]))) for fold in range(N_FOLDS)]
    for task, one, (_, values) in zip(tasks, known.values(), held.values(), strict=True):
        numbers = fold_numbers(task)
        databases = [one.lake.tables[table].partition("/")[0] for table in one.lake.table_of.tolist()]
        for has_path in (False, True):
            lake = one.lake if has_path else without_path(one.lake)
            first = joiner(lake, values, judges[0])
            joiners = [replace(first, judge=judge) for judge in judges]
            first.ranked(0)

            def ours(asked: int, joiners: list[Joiner] = joiners) -> NDArray[np.int64]:
                return joiners[numbers.get(databases[asked], 0)].ranked(asked).column  # noqa: B023 - of this round

            for name, rank in {"joinable": ours, **rivals(first.facts, first.postings)}.items():
                yield {"names": task.name, "path": has_path, "ranking": name, **places(one.pairs(), rank)}


def partner_line(search: LakeSearch) -> Line:
    """Partners among the first five answers, by values as they stand, and by folded ones too."""
    lake, folded = search.evidence.lake, search.evidence.folded_postings
    exact, n_sampled = search.evidence.postings, search.evidence.sizes.n_sampled
    shares: list[tuple[float, float]] = []
    for asked in np.random.default_rng(17).permutation(lake.n).tolist():
        is_other = lake.table_of != lake.table_of[asked]
        stand = (overlaps(exact, exact.values_of(asked)) >= HALF * max(int(n_sampled[asked]), 1)) & is_other
        if stand.any():
            alike, sharing = stand.copy(), find_columns(folded, lake, asked_column(lake, asked))
            alike[sharing.column] |= (sharing.forth >= HALF) & is_other[sharing.column]
            first = search.joiner.ranked(asked).column[:N_FIRST]
            shares.append((_of_five(stand, first), _of_five(alike, first)))
        if len(shares) == N_PARTNERED:
            break
    found = np.round(np.mean(shares, axis=0), 4).tolist()
    return {"columns": len(shares), "partners_of_five": found[0], "folded_partners_of_five": found[1]}


def _of_five(is_partner: NDArray[np.bool_], first: NDArray[np.int64]) -> float:
    return float(is_partner[first].sum() / min(N_FIRST, is_partner.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spider", type=Path, default=SPIDER)
    parser.add_argument("--artifacts", help="root of a run to index")
    options = parser.parse_args()
    for line in itertools.chain(tries(), lines(options.spider)):
        print(json.dumps(line), flush=True)
    if options.artifacts:
        print(json.dumps(partner_line(Answers(options.artifacts).search_index)), flush=True)


if __name__ == "__main__":
    main()

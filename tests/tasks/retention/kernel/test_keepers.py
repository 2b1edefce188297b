"""The optimum where the right table must stay: that of trying every choice, on the model's own terms."""

from itertools import product

import numpy as np
import pytest

from lakebed.tasks.retention.config import RetentionConfig, TableAttributes
from tests.seeds import seeds
from tests.tasks.retention.facts import Fact, decided, problem_of

ZONES = ("gold", "**", "landing")
PLACES = ("gold", "core", "landing")
LESSER = ("", "_copy")
FORMATS = (("delta",), ("parquet",), ("csv", "json"))
DAY_NS = 86_400 * 10**9


def random_lake(rng, folder):
    """Tables with their ranks by signal, what lies in what, and the config; ranks are drawn, names made from them."""
    n = int(rng.integers(2, 9))
    ranks = [tuple(int(rng.integers(high)) for high in (3, 3, 2, 3, 3)) for _ in range(n)]
    rows = [f"rows {rng.integers(4)}" for _ in range(n)]
    facts = [
        Fact(
            name=f"{PLACES[zone]}/t{place}t{LESSER[word]}",
            rows=held,
            format=str(rng.choice(FORMATS[format_])),
            n_bytes=int(rng.integers(1, 30)) * 1_000_000,
            n_rows=1 + int(held[-1]),
            made_ns=1 + age * DAY_NS,
        )
        for place, ((zone, _, word, format_, age), held) in enumerate(zip(ranks, rows, strict=True))
    ]
    chain = [(f"rows {low}", f"rows {high}") for low, high in [(0, 1), (0, 2), (1, 2)] if rng.random() < 0.8]
    log = folder / "log.csv"
    uses = [f"{fact.name},{(3 - use) * 0.5}" for fact, (_, use, *_) in zip(facts, ranks, strict=True)]
    log.write_text("\n".join(["table,n", *uses]) + "\n")
    pins = {kind: [fact.name for fact in facts if rng.random() < 0.05] for kind in ("legal_hold", "veto", "streaming")}
    owners = {fact.name: {"owner": str(rng.choice(("", "ops")))} for fact in facts if rng.random() < 0.4}
    config = {
        "zones": ZONES, "pins": pins, "attributes": owners, "max_rebuild_s": 1e9,
        "accesses": {"log": str(log), "count_column": "n"},
        "prices": {"compute_per_cpu_hour": float(rng.choice([0.0, 0.05, 0.2, 0.8]))},
    }  # fmt: skip
    return facts, ranks, set(chain), set().union(*pins.values()), RetentionConfig.model_validate(config)


def is_lesser(parent, child, is_equal):
    """Ranks are tuples, the best first: of parts only zone, name and format count."""
    places = (0, 1, 2, 3, 4) if is_equal else (0, 2, 3)
    return tuple(parent[place] for place in places) > tuple(child[place] for place in places)


def least_cost(problem, is_allowed, pins):
    """Over every choice of tables to keep."""
    keep_cost, names = problem.tables.costs.total.tolist(), problem.tables.names
    ways = {}
    for edge in range(len(problem.edges.child)):
        child, parent = int(problem.edges.child[edge]), int(problem.edges.parent[edge])
        if is_allowed(names[child], names[parent]):
            ways.setdefault(child, []).append((parent, float(problem.edges.cost[edge])))
    best = float("inf")
    for keep in product((True, False), repeat=len(names)):
        if not all(keep[place] for place, name in enumerate(names) if name in pins):
            continue
        costs = [
            keep_cost[place] if kept else min((c for p, c in ways.get(place, ()) if keep[p]), default=float("inf"))
            for place, kept in enumerate(keep)
        ]
        best = min(best, sum(costs))
    return best


@pytest.mark.parametrize("seed", seeds(500, 120))
def test_the_optimum_under_keepers_and_holds_is_that_of_trying_every_choice(seed, tmp_path):
    rng = np.random.default_rng(seed)
    facts, ranks, parts, pins, config = random_lake(rng, tmp_path)
    rank, rows = (
        dict(zip([fact.name for fact in facts], what, strict=True)) for what in (ranks, [f.rows for f in facts])
    )

    def is_allowed(child, parent):
        mine, theirs = (config.attributes.get(name, TableAttributes()) for name in (child, parent))
        return mine == theirs and not is_lesser(rank[parent], rank[child], rows[parent] == rows[child])

    problem = problem_of(facts, parts, config)
    choice = decided(problem)
    assert choice.retention.cost == pytest.approx(least_cost(problem, is_allowed, pins), rel=1e-9)
    assert choice.retention.gap == 0.0
    names = problem.tables.names
    for edge in choice.chosen:
        child, parent = names[problem.edges.child[edge]], names[problem.edges.parent[edge]]
        assert is_allowed(child, parent)
        assert child not in pins
    kept = {name for name, is_kept in zip(names, choice.retention.keep, strict=True) if is_kept}
    assert kept >= pins


def test_the_rank_is_what_binds_in_many_of_them(tmp_path):
    """Else the test above would say little: without it, the same lakes cost less."""
    n_bound = 0
    for seed in range(60):
        facts, _, parts, _, config = random_lake(np.random.default_rng(seed), tmp_path)
        free = config.model_copy(update={"allow_lesser_keeper": True})
        ranked, unranked = (decided(problem_of(facts, parts, one)).retention.cost for one in (config, free))
        assert unranked <= ranked * (1 + 1e-9)
        n_bound += unranked < ranked * (1 - 1e-9)
    assert n_bound > 20

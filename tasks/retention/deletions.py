"""What is deleted in the end: over containments as the solver chose, then over relations to several parents.

The solver's model has one parent a table. A table that it keeps and that nothing hangs on may still go where a proven
union of kept tables, or a kept table with renamed columns, gives it back; these are taken one after the other, the
largest saving first. That only ever lowers the cost, but is no part of the optimum.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lakebed.tasks.retention.choice import Choice
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.kernel.costs import bytes_read, rebuild_costs
from lakebed.tasks.retention.policy import attribute_groups
from lakebed.tasks.retention.problem import DATABASE, Problem, column_sizes, lesser_reason
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

WIDER_KINDS = ("union", "renamed")


@dataclass(frozen=True)
class Deletion:
    """One table that goes, and how it comes back.

    Attributes:
        table: its table_id; `parents` are those of what it is rebuilt from.
        columns: for each parent the child's column tokens to its own, where they are named otherwise.
        cost: of a month's rebuilds, row numbers kept with the recipe included.
        seconds: estimate of one rebuild.
        source: stage that proved it; `semantics` and `certificate` are the proof's.
        outcome: the recipe that was run; None before it was.
        lesser: the parent that ranks lower than the table, and by what; it must not go then.
    """

    table: int
    parents: tuple[int, ...]
    columns: tuple[Mapping[str, str], ...] | None
    cost: float
    seconds: float
    source: str
    semantics: str
    certificate: str
    outcome: Outcome | None = None
    lesser: str = ""


DeletionMaker = Callable[[Sequence[Deletion]], Sequence[Outcome | None]]


def chosen_deletions(problem: Problem, choice: Choice) -> dict[int, Deletion]:
    """The deletions over containments, by table."""
    edges, found = problem.edges, {}
    for edge in choice.chosen:
        table = int(edges.child[edge])
        cost = float(edges.cost[edge]) + choice.stored_cost.get(edge, 0.0)
        proof = ("containment", edges.semantics[edge], edges.certificates[edge])
        parents = (int(edges.parent[edge]),)
        found[table] = Deletion(
            table, parents, None, cost, float(edges.seconds[edge]), *proof, outcome=choice.outcomes[edge]
        )
    return found


def wider_deletions(
    store: ArtifactStore, relations: ArtifactRef, problem: Problem, config: RetentionConfig
) -> list[Deletion]:
    """Proven unions and renamings of whole tables that policy and limits allow, not yet tried.

    Those that only a parent of lower rank forbids have a `lesser` that says so, and are no deletions.

    Raises:
        ArtifactError: if the artifact is missing or damaged.
    """
    groups = attribute_groups(problem.tables.names, config)
    found = []
    for row in store.read(relations, "proven").to_pylist():
        table, parents = row["child_id"], tuple(row["parent_ids"])
        is_wanted = row["kind"] in WIDER_KINDS and not row["child_part"] and problem.tables.n_rows[table] > 0
        is_telling = config.include_coincidental or not row["coincidental"]
        is_lasting = all(problem.tables.pins[one] != DATABASE for one in parents)
        is_allowed = (
            is_lasting
            and not problem.tables.pins[table]
            and {int(groups[one]) for one in parents} == {int(groups[table])}
        )
        if is_wanted and is_telling and is_allowed and table not in parents:
            priced = _priced(problem, table, parents, config)
            columns = _columns(row, len(parents))
            proof = ("relations", row["semantics"], row["certificate"])
            lesser = _lesser(problem, table, parents, config)
            found.append(Deletion(table, parents, columns, *priced, *proof, lesser=lesser))
    return [one for one in found if one.seconds <= problem.tables.limits[one.table]]


def add_wider(
    problem: Problem,
    deletions: Mapping[int, Deletion],
    wider: Sequence[Deletion],
    make: DeletionMaker,
    storage_per_byte: float,
    late: list[Deletion] | None = None,
) -> dict[int, Deletion]:
    """The deletions with those of `wider` that save, whose recipes were run and found equal.

    Those for which there was no time are added to `late`. Every parent stays, and nothing that a rebuild needs is
    deleted. Rounds: at most one more than there are refusals.
    """
    left = [one for one in wider if not one.lesser]
    while True:
        accepted = _accept(problem, deletions, left)
        untried = [one for one in accepted if one.outcome is None]
        if not untried:
            return {**deletions, **{one.table: one for one in accepted}}
        for one, outcome in zip(untried, make(untried), strict=True):
            left.remove(one)
            if outcome is None and late is not None:
                late.append(one)
            if outcome is not None and outcome.recipe is not None:
                stored = storage_per_byte * outcome.recipe.stored_bytes
                left.append(replace(one, outcome=outcome, cost=one.cost + stored))


def _accept(problem: Problem, deletions: Mapping[int, Deletion], left: Sequence[Deletion]) -> list[Deletion]:
    """Those that can go together, the largest saving first."""
    keep_cost, rank = problem.tables.costs.total, problem.tables.rank
    is_kept = np.ones(len(keep_cost), np.bool_)
    is_kept[list(deletions)] = False
    needed = {parent for deletion in deletions.values() for parent in deletion.parents}
    order = sorted(left, key=lambda one: (one.cost - keep_cost[one.table], -rank[one.table], one.parents))
    accepted = []
    for one in order:
        if one.cost >= keep_cost[one.table] or one.table in needed or not is_kept[[one.table, *one.parents]].all():
            continue
        accepted.append(one)
        is_kept[one.table] = False
        needed |= set(one.parents)
    return accepted


def _lesser(problem: Problem, table: int, parents: tuple[int, ...], config: RetentionConfig) -> str:
    """A table of as many rows and columns as its only parent, under other names, is its equal copy."""
    facts = problem.inventory.tables.select(["n_rows", "n_columns"])
    is_equal = len(parents) == 1 and facts.slice(table, 1).equals(facts.slice(parents[0], 1))
    for parent in parents:
        if reason := lesser_reason(problem.tables, table, parent, config, is_equal=is_equal):
            return f"{problem.tables.names[parent]}: {reason}"
    return ""


def _priced(problem: Problem, table: int, parents: tuple[int, ...], config: RetentionConfig) -> tuple[float, float]:
    """A month's rebuilds, and the seconds of one."""
    ends = np.full(len(parents), table, np.int64), np.array(parents, np.int64)
    n_read = bytes_read(column_sizes(problem.inventory), problem.tables.n_bytes, *ends).sum(keepdims=True)
    n_written = problem.tables.n_bytes[[table]]
    once = rebuild_costs(n_read, n_written, config.prices, config.throughput)
    return float(problem.tables.n_accesses[table] * once.price[0]), float(once.seconds[0])


def _columns(row: Mapping[str, str], n_parents: int) -> tuple[Mapping[str, str], ...] | None:
    mapped = json.loads(row["column_map"])
    is_renamed = any(mine != other for mine, other in mapped.items())
    return (mapped,) * n_parents if is_renamed else None

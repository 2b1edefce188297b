"""What was chosen, as the tables that are published."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.tasks.retention.baseline import Duplicates
from lakebed.tasks.retention.choice import Choice
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.contract import DECISIONS, OPTIONS, REBUILDS, SAVINGS_CURVE, SOLVER
from lakebed.tasks.retention.deletions import Deletion
from lakebed.tasks.retention.kernel.curve import CurvePoint
from lakebed.tasks.retention.problem import DATABASE, ICEBERG, LESSER, OTHER_FORMAT, USABLE, Problem
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.emit import to_pyspark, to_sql, to_view
from lakebed.tasks.retention.recipes.model import Recipe
from lakebed.tasks.retention.words import needed_text
from lakebed.tasks.runtime.keys import canonical_json

NOT_YET = "not_yet_verified"
_WORDS = {
    "legal_hold": "a legal hold pins it",
    "veto": "its owner vetoed its deletion",
    "streaming": "a stream writes to it",
    "outside_lake": "some of its files lie outside the lake",
    DATABASE: "report only: not a file table",
    ICEBERG: "an Iceberg table that a catalog may keep stays",
    OTHER_FORMAT: "report only: files of its format are compared, and left where they are",
    "not_contained": "no other table contains it",
    "no_kept_parent": "the tables that it could be rebuilt from are deleted themselves",
    NOT_YET: "its rebuild was not tried before `retention.trial_budget_s` was over; the next run goes on",
}
# what is told of a table whose edges failed for several reasons: what came furthest
_FURTHEST = ("refused", "latency", LESSER, "attributes", "coincidental", DATABASE, OTHER_FORMAT, "by_definition")


def decisions(
    problem: Problem,
    choice: Choice,
    deletions: Mapping[int, Deletion],
    wider: Sequence[Deletion] = (),
    late: Sequence[Deletion] = (),
) -> pa.Table:
    """The DECISIONS table; `wider` are the ways over several parents that were thought of, `late` those not tried."""
    tables = problem.tables
    needed_by: dict[int, list[str]] = {}
    for table, deletion in sorted(deletions.items()):
        for parent in deletion.parents:
            needed_by.setdefault(parent, []).append(tables.names[table])
    lesser = {one.table: one.lesser for one in wider if one.lesser}
    told = _Reasons(problem, choice, deletions, needed_by, lesser, _late_parents(problem, choice, late))
    rows = []
    for table, name in enumerate(tables.names):
        reason, why = told.of(table)
        parts = (tables.costs.storage, tables.costs.maintenance, tables.costs.read)
        costs = [float(part[table]) for part in parts]
        facts = (
            table, name, "delete" if table in deletions else "keep", reason, why, int(tables.n_rows[table]),
            int(tables.n_bytes[table]), float(tables.n_accesses[table]), *costs,
            *_saving(problem, deletions.get(table)), needed_by.get(table, []), tables.standings[table].in_words,
        )  # fmt: skip
        rows.append(dict(zip(DECISIONS.names, facts, strict=True)))
    return DECISIONS.table(rows)


def _late_parents(problem: Problem, choice: Choice, late: Sequence[Deletion]) -> dict[int, list[str]]:
    """The tables for which time was over, each with what it was to be rebuilt from."""
    edges, names = problem.edges, problem.tables.names
    found = {one.table: [names[parent] for parent in one.parents] for one in late}
    for edge in sorted(choice.postponed):
        found.setdefault(int(edges.child[edge]), []).append(names[int(edges.parent[edge])])
    return found


def _saving(problem: Problem, deletion: Deletion | None) -> tuple[float | None, float, float | None, list[str]]:
    """A month's rebuilds, the saving, seconds of a rebuild, and the parents."""
    if deletion is None:
        return None, 0.0, None, []
    saving = max(0.0, float(problem.tables.costs.total[deletion.table]) - deletion.cost)
    return deletion.cost, saving, deletion.seconds, [problem.tables.names[parent] for parent in deletion.parents]


def options(problem: Problem, choice: Choice) -> pa.Table:
    """The OPTIONS table."""
    edges, names, rows = problem.edges, problem.tables.names, []
    chosen = set(choice.retention.edge.tolist())
    for edge, (child, parent) in enumerate(zip(edges.child.tolist(), edges.parent.tolist(), strict=True)):
        outcome = choice.outcomes.get(edge)
        status, reason, shape = edges.status[edge], edges.reason[edge], None
        if status == USABLE:
            status = "chosen" if edge in chosen else "untried"
            if outcome is not None and outcome.recipe is not None:
                status = "chosen" if edge in chosen else "verified"
                shape = outcome.recipe.selector_shape
            elif outcome is not None:
                status, reason = "refused", _refusal(outcome)
            elif edge in choice.postponed:
                status, reason = NOT_YET, _WORDS[NOT_YET]
        cost = edge_cost(problem, choice, edge)
        facts = (child, parent, names[child], names[parent], status, reason, cost, float(edges.seconds[edge]), shape)
        rows.append(dict(zip(OPTIONS.names, facts, strict=True)))
    return OPTIONS.table(rows)


def rebuilds(problem: Problem, deletions: Mapping[int, Deletion], context: RecipeContext) -> pa.Table:
    """The REBUILDS table."""
    rows = []
    for table, deletion in sorted(deletions.items()):
        outcome = deletion.outcome
        assert outcome is not None  # noqa: S101 - no deletion is chosen without a recipe that was run
        recipe = outcome.recipe
        assert recipe is not None  # noqa: S101
        facts = (
            table, problem.tables.names[table], list(outcome.parents), recipe.selector_shape, canonical_json(recipe),
            to_sql(context, recipe), to_pyspark(context, recipe), _view(context, recipe), recipe.order.state,
            recipe.digest.rows, recipe.digest.n_rows, recipe.stored_bytes, deletion.source, deletion.semantics,
            hashlib.sha256(deletion.certificate.encode()).hexdigest(), outcome.rebuild_s,
        )  # fmt: skip
        rows.append(dict(zip(REBUILDS.names, facts, strict=True)))
    return REBUILDS.table(rows)


def curve(points: tuple[CurvePoint, ...]) -> pa.Table:
    """The SAVINGS_CURVE table."""
    rows = [
        (
            place,
            point.budget_s,
            max(0.0, point.saving),
            point.n_deleted,
            point.bytes_deleted,
            point.slowest_s,
            point.gap,
        )
        for place, point in enumerate(points)
    ]
    return SAVINGS_CURVE.table([dict(zip(SAVINGS_CURVE.names, row, strict=True)) for row in rows])


def solver(choice: Choice) -> pa.Table:
    """The SOLVER table."""
    rows = [
        (place, part.method, part.n_tables, part.n_edges, part.cost, max(0.0, part.bound), part.gap, part.seconds)
        for place, part in enumerate(choice.retention.components)
    ]
    return SOLVER.table([dict(zip(SOLVER.names, row, strict=True)) for row in rows])


def summary(
    problem: Problem, choice: Choice, duplicates: Duplicates, tables: dict[str, pa.Table], config: RetentionConfig
) -> dict[str, Any]:
    """Totals for the manifest: they depend on the lake's content and the config alone."""
    found, rows = choice.retention, tables["decisions"].to_pylist()
    deleted = [row for row in rows if row["decision"] == "delete"]
    gone = [row for row in tables["baseline"].to_pylist() if not row["is_kept"]]
    keep_all = float(problem.tables.costs.total.sum())
    saving = sum(row["saving"] for row in deleted)
    return {
        "currency": config.prices.currency,
        "prices_date": config.prices.date,
        "deletable_tables": len(deleted),
        "deletable_bytes": sum(row["n_bytes"] for row in deleted),
        "keep_all_cost": keep_all,
        "retention_cost": keep_all - saving,
        "retention_bound": min(found.bound, keep_all - saving),
        "retention_gap": found.gap,
        "saving_per_month": saving,
        "slowest_rebuild_s": max((row["rebuild_s"] for row in deleted), default=0.0),
        "deletable_over_several_parents": sum(len(row["parents"]) > 1 for row in deleted),
        "rebuild_options": len(problem.edges.child),
        "rebuild_options_usable": int(problem.is_usable.sum()),
        "recipes_tried": len(choice.outcomes),
        "recipes_refused": sum(outcome.recipe is None for outcome in choice.outcomes.values()),
        "recipe_rounds": choice.n_rounds,
        "access_log_names_unknown": problem.tables.n_unknown_in_log,
        "duplicate_tables": len(gone),
        "duplicate_bytes": sum(row["n_bytes"] for row in gone),
        "duplicate_saving_per_month": sum(row["saving"] for row in gone),
        "tables_not_compared_for_duplicates": duplicates.n_skipped,
    } | _not_yet(rows)


def _not_yet(decisions: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many tables wait for their rebuild to be tried, in a run that was cut short."""
    n_late = sum(row["reason"] == NOT_YET for row in decisions)
    return {"tables_not_yet_verified": n_late} if n_late else {}


def edge_cost(problem: Problem, choice: Choice, edge: int) -> float:
    """A month's rebuilds over an edge, the storage of its recipe's row numbers included."""
    return float(problem.edges.cost[edge]) + choice.stored_cost.get(edge, 0.0)


def _view(context: RecipeContext, recipe: Recipe) -> str:
    """The view under the table's name, made one word; empty where no view can say it."""
    try:
        return to_view(context, recipe, recipe.child.name.replace("/", "_").replace(".", "_"))
    except SourceError:
        return ""


class _Reasons:
    """Why each table is kept, or how it is rebuilt."""

    def __init__(
        self,
        problem: Problem,
        choice: Choice,
        deletions: Mapping[int, Deletion],
        needed_by: dict[int, list[str]],
        lesser: Mapping[int, str],
        late: Mapping[int, Sequence[str]],
    ) -> None:
        self._problem, self._choice, self._deletions, self._needed_by = problem, choice, deletions, needed_by
        self._lesser, self._late = lesser, late
        self._edges_of: dict[int, list[int]] = {}
        for edge, child in enumerate(problem.edges.child.tolist()):
            self._edges_of.setdefault(child, []).append(edge)

    def of(self, table: int) -> tuple[str, str]:
        """Code and words."""
        if deletion := self._deletions.get(table):
            return "rebuilt", self._rebuilt(deletion)
        if pin := self._problem.tables.pins[table]:
            sign = f": {self._problem.tables.signs[table]}" if pin == ICEBERG else ""
            return pin, _WORDS[pin] + sign + (self._for_its_owner(table) if pin == DATABASE else "")
        edges = self._edges_of.get(table, [])
        usable = [one for one in edges if self._is_usable(one)]
        status, why = self._excluded(table) if table in self._late or (edges and not usable) else ("", "")
        if status not in ("", LESSER):
            return status, why
        if children := self._needed_by.get(table):
            return "parent", needed_text(children) + (f"; {why}" if why else "")
        if usable:
            return self._economic(table, usable)
        lesser = why or self._lesser.get(table)
        return (LESSER, lesser) if lesser else ("not_contained", _WORDS["not_contained"])

    def _rebuilt(self, deletion: Deletion) -> str:
        names = ", ".join(self._problem.tables.names[parent] for parent in deletion.parents)
        shape = deletion.outcome.recipe.selector_shape if deletion.outcome and deletion.outcome.recipe else ""
        return f"rebuilt from {names} ({shape}); the rebuild was run and equals it"

    def _for_its_owner(self, table: int) -> str:
        """What a database's owner may do about a table that lies in another: lakebed never writes to a database."""
        tables = self._problem.tables
        facts = self._problem.edges
        edges = [
            one for one in self._edges_of.get(table, []) if facts.status[one] == "pinned" and not facts.lesser[one]
        ]
        found = {int(self._problem.edges.parent[one]) for one in edges}
        stay = sorted((tables.pins[one] == DATABASE, tables.names[one]) for one in found if self._stays(one, table))
        parents = [name for _, name in stay]
        if not parents:
            return ""
        more = f" and {len(parents) - 1:,} more" if len(parents) > 1 else ""
        path = self._problem.inventory.tables["path"].to_pylist()[table]
        # the path of a catalog's table of files is that of its files
        statement = f"DROP {path if not path.startswith('/') else 'TABLE ' + tables.names[table].partition('/')[2]}"
        return f"; it lies in {parents[0]}{more}, its owner may run: {statement};"

    def _stays(self, parent: int, child: int) -> bool:
        """Whether a parent is still there if its children go: of equal tables of databases only the first stays."""
        tables = self._problem.tables
        is_equal = child in {int(self._problem.edges.parent[one]) for one in self._edges_of.get(parent, [])}
        is_named_too = tables.pins[parent] == DATABASE and is_equal and tables.rank[parent] > tables.rank[child]
        return parent not in self._deletions and not is_named_too

    def _is_usable(self, edge: int) -> bool:
        outcome = self._choice.outcomes.get(edge)
        return self._problem.edges.status[edge] == USABLE and (outcome is None or outcome.recipe is not None)

    def _economic(self, table: int, usable: list[int]) -> tuple[str, str]:
        """Nothing forbids its deletion: it is kept for what it costs."""
        cheapest = min(edge_cost(self._problem, self._choice, edge) for edge in usable)
        keep = float(self._problem.tables.costs.total[table])
        if cheapest >= keep:
            return "cost", f"rebuilding costs {cheapest:.3g} a month, keeping {keep:.3g}"
        return "no_kept_parent", _WORDS["no_kept_parent"]

    def _excluded(self, table: int) -> tuple[str, str]:
        """Every edge is out: the one that came furthest says why; first of all that there was no time."""
        if parents := self._late.get(table):
            return NOT_YET, f"{parents[0]}: {_WORDS[NOT_YET]}"
        seen: dict[str, str] = {}
        for edge in self._edges_of[table]:
            status, reason = self._problem.edges.status[edge], self._problem.edges.reason[edge]
            if status == USABLE:
                status, reason = "refused", _refusal(self._choice.outcomes[edge])
            seen.setdefault(status, f"{self._problem.tables.names[int(self._problem.edges.parent[edge])]}: {reason}")
        status = next(status for status in _FURTHEST if status in seen)
        return {"refused": "no_recipe"}.get(status, status), seen[status]


def _refusal(outcome: Any) -> str:
    return f"{outcome.refusal.code}: {outcome.refusal.reason}" if outcome.refusal else "no recipe"

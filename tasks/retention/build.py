"""Building the retention artifact, step by step."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention import outcome
from lakebed.tasks.retention.baseline import baseline_table, find_duplicates
from lakebed.tasks.retention.choice import Choice, RecipeMaker, choose
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.copies import copies_table
from lakebed.tasks.retention.deletions import Deletion, add_wider, chosen_deletions, wider_deletions
from lakebed.tasks.retention.kernel.costs import GB
from lakebed.tasks.retention.kernel.curve import CurvePoint, curve_budgets, savings_curve
from lakebed.tasks.retention.kernel.solve import Effort
from lakebed.tasks.retention.plan import ROWS_FOLDER
from lakebed.tasks.retention.previous import Known, PairMaker, load_known
from lakebed.tasks.retention.problem import Problem, load_problem
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.retention.recipes.pairs import PairRefs
from lakebed.tasks.retention.recipes.refs import table_refs
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.choice import engine_for

_INPUTS_WITH_RELATIONS = 3


def build_artifact(stage: Stage, config: RetentionConfig, containment_config: ContainmentConfig) -> ArtifactRef:
    """Prices, chooses, rebuilds what is to go and compares; then publishes.

    Raises: as the stage's `build`.
    """
    context = RecipeContext.of(stage.workspace, f"{stage.folder}/{ROWS_FOLDER}", containment_config, config.recipes)
    known = load_known(stage, context)
    return decide(
        stage, config, context, partial(make_recipes, stage.workspace, known, Deadline(config.trial_budget_s)), known
    )


def decide(
    stage: Stage, config: RetentionConfig, context: RecipeContext, make: PairMaker, known: Known | None = None
) -> ArtifactRef:
    """The stage's work, given what makes and compares recipes, and what is known already.

    Raises: as the stage's `build`.
    """
    metrics = StageMetrics()
    with metrics.step("problem"), shown().step("Pricing tables"):
        refs, lake = (stage.inputs[0], stage.inputs[1]), stage.workspace.lake
        problem = load_problem(stage.store, refs, config, lake.root, lake)
        known = known or load_known(stage, context)
        make = known.reusing(make)
    with metrics.step("choice") as cost:
        choice = _choose(problem, lambda pairs: make(pair_refs(problem, pairs)), config)
        wider = _wider(stage, problem, config)
        late: list[Deletion] = []
        deletions = _widened(problem, choice, wider, config, make, late)
        cost.bytes_read = choice.bytes_read
    with metrics.step("curve"), shown().step("Working out the savings curve"):
        points = _curve(problem, choice, config)
    with metrics.step("baseline") as cost, shown().step("Looking for byte-identical tables"):
        duplicates = find_duplicates(problem, stage.workspace.lake.root, config.baseline_max_bytes, known)
        cost.bytes_read = duplicates.bytes_read
    tables = {
        "decisions": outcome.decisions(problem, choice, deletions, wider, late),
        "copies": copies_table(problem, deletions),
        "options": outcome.options(problem, choice),
        "rebuilds": outcome.rebuilds(problem, deletions, context),
        "savings_curve": outcome.curve(points),
        "solver": outcome.solver(choice),
        "baseline": baseline_table(problem, duplicates),
        "known": known.table(),
    }
    metrics.changes = known.changes()
    facts = outcome.summary(problem, choice, duplicates, tables, config)
    stage.is_whole = not (late or choice.postponed)
    if not stage.is_whole:
        _keep_for_next(known, facts.get("tables_not_yet_verified", 0))
    with shown().step("Publishing decisions"):
        ref = stage.publish(tables, facts, metrics, files=_stored_files(deletions))
    if stage.is_whole:
        known.forget_kept()
    return ref


def _keep_for_next(known: Known, n_late: int) -> None:
    known.save()
    shown().note(
        f"`retention.trial_budget_s` is over: {n_late:,} tables are not yet verified, and stay; the next run goes on"
    )


def _choose(problem: Problem, make: RecipeMaker, config: RetentionConfig) -> Choice:
    return choose(problem, make, Effort(config.solver_seconds), config.prices.storage_per_gb_month / GB)


def _curve(problem: Problem, choice: Choice, config: RetentionConfig) -> tuple[CurvePoint, ...]:
    """Over every edge that policy allows and no rebuild refuted; limits of time are what the curve varies."""
    edges = problem.edges
    allowed = choice.allowed_at_any_speed(problem)
    graph = problem.graph(allowed, choice.extra_cost(len(edges.child)))
    budgets = curve_budgets(edges.seconds[allowed], config.curve_points)
    effort = Effort(config.solver_seconds, has_bounds=False)
    return savings_curve(graph, edges.seconds[allowed], problem.tables.n_bytes, budgets, effort)


def _wider(stage: Stage, problem: Problem, config: RetentionConfig) -> list[Deletion]:
    """What relations to several parents would allow, where that stage has run."""
    if len(stage.inputs) < _INPUTS_WITH_RELATIONS:
        return []
    return wider_deletions(stage.store, stage.inputs[2], problem, config)


def _widened(
    problem: Problem,
    choice: Choice,
    wider: Sequence[Deletion],
    config: RetentionConfig,
    make: PairMaker,
    late: list[Deletion],
) -> dict[int, Deletion]:
    """The solver's deletions, and those of `wider` that save; `late` gets those for which there was no time."""
    price = config.prices.storage_per_gb_month / GB
    deletions = chosen_deletions(problem, choice)
    return add_wider(problem, deletions, wider, lambda some: make(deletion_refs(problem, some)), price, late)


def _stored_files(deletions: Mapping[int, Deletion]) -> list[str]:
    """The row numbers that recipes of deleted tables keep; those of recipes not chosen are left out of the digest."""
    chosen = [one.outcome.recipe for one in deletions.values() if one.outcome]
    return sorted({f"{ROWS_FOLDER}/{rows.path}" for recipe in chosen if recipe for rows in recipe.stored})


@dataclass
class Deadline:
    """When no further rebuild is begun: so many seconds after the first was asked for; 0: never."""

    budget_s: float
    _until: float = 0.0

    def until(self) -> float:
        """The time in seconds since 1970; 0: never."""
        if self.budget_s and not self._until:
            self._until = time.time() + self.budget_s
        return self._until


def make_recipes(
    workspace: Workspace, known: Known, deadline: Deadline, pairs: Sequence[PairRefs]
) -> Sequence[Outcome | None]:
    """Recipes of all pairs, run and compared by the engine that is chosen for their bytes; None where time was over."""
    from lakebed.tasks.retention.recipes.jobs import synthesise_all

    engine = engine_for(workspace, sum(pair.n_bytes for pair in pairs))
    return synthesise_all(
        engine, known.context, pairs, lambda place, found: known.note(pairs[place], found), deadline.until()
    )


def pair_refs(problem: Problem, pairs: Sequence[tuple[int, int]]) -> list[PairRefs]:
    """Edges, as (child, parent), as references to their tables."""
    return _refs(problem, [(child, (parent,)) for child, parent in pairs])


def deletion_refs(problem: Problem, deletions: Sequence[Deletion]) -> list[PairRefs]:
    """Deletions over several parents or renamed columns, in the same form."""
    found = _refs(problem, [(one.table, one.parents) for one in deletions])
    return [PairRefs(pair.child, pair.parents, one.columns) for pair, one in zip(found, deletions, strict=True)]


def _refs(problem: Problem, groups: Sequence[tuple[int, tuple[int, ...]]]) -> list[PairRefs]:
    names = problem.tables.names
    refs = table_refs(problem.inventory, {names[table] for child, parents in groups for table in (child, *parents)})
    return [PairRefs(refs[names[child]], tuple(refs[names[one]] for one in parents)) for child, parents in groups]

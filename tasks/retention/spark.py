"""Recipes on Spark: all pairs of a round in one job."""

from collections.abc import Sequence

from connectors.spark.session import shared_session
from tasks.retention.problem import Problem
from tasks.retention.recipes.context import RecipeContext
from tasks.retention.recipes.model import Outcome
from tasks.retention.recipes.pairs import PairRefs
from tasks.retention.recipes.refs import table_refs
from tasks.retention.recipes.spark import synthesise_on_spark
from tasks.runtime.workspace import Workspace


def recipes_on_spark(
    workspace: Workspace, context: RecipeContext, problem: Problem, pairs: Sequence[tuple[int, int]]
) -> Sequence[Outcome]:
    """Recipes of all pairs, run and compared in one job."""
    session = shared_session(workspace.spark).get()
    return synthesise_on_spark(session, context, pair_refs(problem, pairs))


def pair_refs(problem: Problem, pairs: Sequence[tuple[int, int]]) -> list[PairRefs]:
    """The pairs as references to their tables."""
    names = problem.tables.names
    refs = table_refs(problem.inventory, {names[table] for pair in pairs for table in pair})
    return [PairRefs(refs[names[child]], (refs[names[parent]],)) for child, parent in pairs]

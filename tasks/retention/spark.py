"""Recipes on Spark: all tables of a round in one job."""

from collections.abc import Sequence

from lakebed.connectors.spark.session import shared_session
from lakebed.tasks.retention.deletions import Deletion
from lakebed.tasks.retention.problem import Problem
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.retention.recipes.pairs import PairRefs
from lakebed.tasks.retention.recipes.refs import table_refs
from lakebed.tasks.retention.recipes.spark import synthesise_on_spark
from lakebed.tasks.runtime.workspace import Workspace


def recipes_on_spark(workspace: Workspace, context: RecipeContext, pairs: Sequence[PairRefs]) -> Sequence[Outcome]:
    """Recipes of all pairs, run and compared in one job."""
    return synthesise_on_spark(shared_session(workspace.spark).get(), context, pairs)


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

import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.problem import load_problem
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.spark import pair_refs, recipes_on_spark
from lakebed.tasks.runtime.artifacts import ArtifactStore
from tests.tasks.retention.lakes import contained_lake, make_here

COSTS = {"seconds", "rebuild_s", "bytes_read", "rebuild_bytes_read"}


@pytest.mark.spark
def test_the_job_gives_the_recipes_of_this_process(tmp_path, spark):
    workspace, *refs = contained_lake(tmp_path)
    problem = load_problem(ArtifactStore(workspace.artifacts), tuple(refs), RetentionConfig())
    ends = zip(problem.edges.child.tolist(), problem.edges.parent.tolist(), problem.edges.status, strict=True)
    pairs = pair_refs(problem, [(child, parent) for child, parent, status in ends if not status])
    assert len(pairs) > 5
    context = RecipeContext.of(workspace.lake, str(tmp_path / "rows"), ContainmentConfig())
    there, here = recipes_on_spark(workspace, context, pairs), make_here(context, (), pairs)
    assert all(outcome.recipe for outcome in there)
    assert [one.model_dump(exclude=COSTS) for one in there] == [one.model_dump(exclude=COSTS) for one in here]

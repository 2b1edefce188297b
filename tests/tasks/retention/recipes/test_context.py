from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.recipes.context import RecipeContext


def test_the_context_takes_the_key_of_containment_and_does_not_show_it() -> None:
    context = RecipeContext.of(LakeConfig(root="x"), "rows", ContainmentConfig())
    assert context.key == ContainmentConfig().key
    assert repr(context.key) not in repr(context)

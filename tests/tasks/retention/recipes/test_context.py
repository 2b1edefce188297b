from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.runtime.workspace import Workspace


def test_the_context_takes_the_keys_of_containment_and_does_not_show_them(tmp_path):
    workspace = Workspace(lake=LakeConfig(root="x"), artifacts=str(tmp_path))
    config = ContainmentConfig(older_hash_key="cd" * 16)
    context = RecipeContext.of(workspace, "rows", config)
    assert context.key == config.key_at(str(tmp_path))
    assert context.older == bytes.fromhex("cd" * 16)
    assert str(context.key) not in repr(context) and str(context.older) not in repr(context)

"""Where recipes are made and executed."""

from dataclasses import dataclass, field

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.runtime.hash_key import OLDER_PUBLIC_KEY
from lakebed.tasks.runtime.workspace import Workspace


@dataclass(frozen=True)
class RecipeContext:
    """The lake, the folder of stored row numbers, the hash key and the limits.

    Attributes:
        lake: how the lake is read.
        folder: URI of the folder in which row numbers are kept.
        key: 32 bytes of the row hashes, for what is compared; rebuilding alone needs none.
        older: the key of recipes of the first encoding, 16 bytes.
    """

    lake: LakeConfig
    folder: str
    key: bytes = field(repr=False)
    config: RecipeConfig = field(default_factory=RecipeConfig)
    older: bytes = field(default=OLDER_PUBLIC_KEY, repr=False)

    @staticmethod
    def of(
        workspace: Workspace, folder: str, containment: ContainmentConfig, config: RecipeConfig | None = None
    ) -> "RecipeContext":
        """The context under a run's configuration."""
        older = containment.hash_keys().older
        key = containment.key_at(workspace.artifacts)
        return RecipeContext(workspace.lake, folder, key, config or RecipeConfig(), older)

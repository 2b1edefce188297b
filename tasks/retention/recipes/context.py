"""Where recipes are made and executed."""

from dataclasses import dataclass, field

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.recipes.config import RecipeConfig


@dataclass(frozen=True)
class RecipeContext:
    """The lake, the folder of stored row numbers, the hash key and the limits.

    Attributes:
        lake: how the lake is read.
        folder: URI of the folder in which row numbers are kept.
        key: 16 bytes of the row hashes.
    """

    lake: LakeConfig
    folder: str
    key: bytes = field(repr=False)
    config: RecipeConfig = field(default_factory=RecipeConfig)

    @staticmethod
    def of(
        lake: LakeConfig, folder: str, containment: ContainmentConfig, config: RecipeConfig | None = None
    ) -> "RecipeContext":
        """The context under a run's configuration."""
        return RecipeContext(lake, folder, containment.key, config or RecipeConfig())

"""What decides which columns are keys."""

from typing import Literal

from pydantic import Field

from lakebed.connectors.config import FrozenConfig


class KeysConfig(FrozenConfig):
    """Who decides, and from which chance on a key is said to be one."""

    model: Literal["trees", "rule"] = Field(
        "trees", description="Boosted trees that were trained on Spider's databases, or the fixed rule."
    )
    min_chance: float = Field(0.32, ge=0.01, le=1.0, description="Chance from which a foreign key is told.")
    across_folders: bool = Field(
        True, description="Whether keys between tables of two folders are looked for too; they are told as lesser."
    )
    min_chance_across: float = Field(0.5, ge=0.01, le=1.0, description="The same chance for keys between two folders.")

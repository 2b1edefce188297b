"""What joins tables to topics."""

from pydantic import Field

from lakebed.connectors.config import FrozenConfig


class TopicsConfig(FrozenConfig):
    """From which chance on a key joins two tables. Who says the chance is set with the keys."""

    min_chance: float = Field(
        0.05, ge=0.01, le=1.0, description="Chance of a foreign key from which it joins its tables, in part."
    )

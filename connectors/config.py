"""The base of every config model."""

from pydantic import BaseModel, ConfigDict


class FrozenConfig(BaseModel):
    """A config section: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

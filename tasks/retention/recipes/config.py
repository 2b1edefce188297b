"""How hard to look for a recipe, and what one may cost."""

from pydantic import Field

from lakebed.connectors.config import FrozenConfig


class RecipeConfig(FrozenConfig):
    """Limits of the recipes."""

    max_in_values: int = Field(32, ge=1, le=10_000, description="Values that an IN condition may list.")
    max_position_share: float = Field(
        0.25, ge=0.0, le=1.0, description="Stored row numbers may take this share of the child's bytes, at most."
    )
    min_position_bytes: int = Field(
        65_536, ge=0, le=1 << 30, description="Stored row numbers up to this size are always allowed, in bytes."
    )
    restores_order: bool = Field(
        True, description="Whether a permutation is stored where a condition loses the row order of a plain file."
    )
    rehearses_writing: bool = Field(
        True,
        description="Whether each result is also written in the child's format, to a temporary folder, and read.",
    )
    max_table_bytes: int = Field(
        256 << 20,
        ge=1 << 10,
        le=1 << 40,
        description="Larger tables, and those of more than 16,777,216 cells, are read batch by batch, in bytes.",
    )
    task_bytes: int = Field(64 << 20, ge=1 << 10, le=1 << 36, description="Bytes of tables of one Spark task, about.")

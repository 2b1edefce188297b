"""Bounds of a question."""

from pydantic import Field

from lakebed.connectors.config import FrozenConfig


class SearchConfig(FrozenConfig):
    """What a question may ask for, so that none costs more than an answer is worth."""

    max_k: int = Field(1_000, ge=1, le=100_000, description="Neighbours that may be asked for at once.")
    max_text_chars: int = Field(1_000, ge=1, le=100_000, description="Characters of a text or a name.")
    max_file_bytes: int = Field(
        256 << 20, ge=1 << 10, le=1 << 40, description="Size of a file that is asked about, in bytes."
    )
    max_shown_values: int = Field(3, ge=0, le=100, description="Shared values named for each pair of columns.")
    max_shown_columns: int = Field(5, ge=1, le=1_000, description="Pairs of columns named for each table.")

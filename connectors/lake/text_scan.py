"""Text files become staged Parquet: each is read once, and no later stage opens the text again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.lake.config import ColumnType, TextConfig
    from connectors.lake.text_model import TextFormat, TextScan


def scan_text_file(
    root: str,
    path: str,
    format: TextFormat,
    out_path: str,
    config: TextConfig,
    type_overrides: Mapping[str, ColumnType],
) -> TextScan:
    """Reads a text file once, in bounded memory, and writes its values as Parquet.

    Args:
        root: of the lake.
        path: of the file, relative to the root; `.gz` at its end means gzip.
        format: `csv` (any delimiter) or `json` (one object a line).
        out_path: of the staged file, absolute; appears only when it is whole.
        config: how text is read.
        type_overrides: column name, or token of a leaf → type.

    Raises:
        SourceError: if the file cannot be read as such a table.
    """
    raise NotImplementedError

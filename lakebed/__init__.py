"""lakebed's public Python interface."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakebed.tasks.quarantine.reading import open_table

__all__ = ["open_table"]


def __getattr__(name: str) -> object:
    """Loads what is asked for when it is asked for: `import lakebed` costs nothing."""
    if name == "open_table":
        from lakebed.tasks.quarantine.reading import open_table

        return open_table
    raise AttributeError(f"module 'lakebed' has no attribute {name!r}")

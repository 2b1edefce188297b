"""lakebed from Python: open a lake, run the chain on it, ask what it found, act on it and take it back.

Nothing is loaded before it is asked for: `import lakebed` costs nothing. See docs/python.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakebed import errors
    from lakebed.errors import LakeError
    from lakebed.graph import Graph, embed, summarize
    from lakebed.planning import LakePlan
    from lakebed.results import Result
    from lakebed.session import Lake, Run, open
    from lakebed.tasks.quarantine.reading import open_table

__all__ = [
    "Graph",
    "Lake",
    "LakeError",
    "LakePlan",
    "Result",
    "Run",
    "embed",
    "errors",
    "open",
    "open_table",
    "summarize",
]
_MODULES = {
    "lakebed.errors": ("LakeError",),
    "lakebed.graph": ("Graph", "embed", "summarize"),
    "lakebed.planning": ("LakePlan",),
    "lakebed.results": ("Result",),
    "lakebed.session": ("Lake", "Run", "open"),
    "lakebed.tasks.quarantine.reading": ("open_table",),
}


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("lakebed.errors")
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'lakebed' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

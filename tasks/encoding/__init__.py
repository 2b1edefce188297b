"""The canonical row encoding: injective words per cell, keyed 128-bit hashes per cell and row.

Names are loaded on first use: the kernels import numba, which takes more than a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from lakebed.tasks.encoding.words import ENCODING_ID

if TYPE_CHECKING:
    from lakebed.tasks.encoding.compile import compile_kernels
    from lakebed.tasks.encoding.hashes import (
        add_column,
        column_hashes,
        finish,
        row_hashes,
        start_sums,
        value_hashes,
        value_is_null,
    )
    from lakebed.tasks.encoding.multiset import add_multiset_hashes, distinct_counts, multiset_hash
    from lakebed.tasks.encoding.order_keys import order_key
    from lakebed.tasks.encoding.postings import (
        Candidates,
        Members,
        SketchEntries,
        candidate_parents,
        matched_multiset,
        n_missing,
        n_missing_bag,
    )
    from lakebed.tasks.encoding.sketch import containment_interval, sketch, sketch_level
    from lakebed.tasks.encoding.types import type_class, type_text

_HOMES = {
    "compile": ("compile_kernels",),
    "hashes": (
        "add_column",
        "column_hashes",
        "finish",
        "row_hashes",
        "start_sums",
        "value_hashes",
        "value_is_null",
    ),
    "multiset": ("add_multiset_hashes", "distinct_counts", "multiset_hash"),
    "order_keys": ("order_key",),
    "postings": (
        "Members",
        "SketchEntries",
        "Candidates",
        "candidate_parents",
        "matched_multiset",
        "n_missing",
        "n_missing_bag",
    ),
    "sketch": ("containment_interval", "sketch", "sketch_level"),
    "types": ("type_class", "type_text"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ENCODING_ID",
    "Candidates",
    "Members",
    "SketchEntries",
    "add_column",
    "add_multiset_hashes",
    "candidate_parents",
    "column_hashes",
    "compile_kernels",
    "containment_interval",
    "distinct_counts",
    "finish",
    "matched_multiset",
    "multiset_hash",
    "n_missing",
    "n_missing_bag",
    "order_key",
    "row_hashes",
    "sketch",
    "sketch_level",
    "start_sums",
    "type_class",
    "type_text",
    "value_hashes",
    "value_is_null",
]


def __getattr__(name: str) -> object:
    """Loads the module of a public name when it is first asked for."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)

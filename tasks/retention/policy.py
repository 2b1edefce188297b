"""What policy says of each table: pins, attributes and latency limits."""

from collections.abc import Sequence

import numpy as np

from lakebed.connectors.lake.globs import matches_any
from lakebed.tasks.retention.config import RetentionConfig, TableAttributes
from lakebed.tasks.retention.kernel.model import Float64, Int64

NO_ATTRIBUTES = TableAttributes()


def pin_reasons(names: Sequence[str], config: RetentionConfig) -> list[str]:
    """`legal_hold`, `veto`, `streaming` or nothing, for each table."""
    pins = config.pins
    kinds = {"legal_hold": pins.legal_hold, "veto": pins.veto, "streaming": pins.streaming}
    return [next((kind for kind, globs in kinds.items() if matches_any(name, globs)), "") for name in names]


def hold_of(name: str, parents: Sequence[str], config: RetentionConfig) -> str:
    """Why a table may not go in favour of these parents, in words; empty where it may."""
    if (kind := pin_reasons([name], config)[0]) != "":
        return kind
    if config.allow_other_attributes:
        return ""
    others = [parent for parent in parents if attributes_of(parent, config) != attributes_of(name, config)]
    return f"other attributes than those of {others[0]}" if others else ""


def rebuild_limits(names: Sequence[str], config: RetentionConfig) -> Float64:
    """(n,) seconds that a rebuild of each table may take: the shortest of all that hold for it."""
    limits = [
        min(
            [
                config.max_rebuild_s,
                *(limit for glob, limit in config.max_rebuild_s_of.items() if matches_any(name, [glob])),
            ]
        )
        for name in names
    ]
    return np.array(limits, np.float64)


def attribute_groups(names: Sequence[str], config: RetentionConfig) -> Int64:
    """(n,) a number per table; equal numbers, equal attributes."""
    if config.allow_other_attributes:
        return np.zeros(len(names), np.int64)
    numbers: dict[TableAttributes, int] = {}
    return np.array([numbers.setdefault(attributes_of(name, config), len(numbers)) for name in names], np.int64)


def attributes_of(name: str, config: RetentionConfig) -> TableAttributes:
    """Those of the last glob that names the table."""
    found = [attributes for glob, attributes in config.attributes.items() if matches_any(name, [glob])]
    return found[-1] if found else NO_ATTRIBUTES

"""The tightest condition on a column that some rows allow, from rows that come batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.retention.recipes.kernel.ranks import ascending


@dataclass
class Tight:
    """What is known of the cells seen so far.

    Attributes:
        limit: values that are listed, at most.
        low, high: the least and the greatest value; None before there is one.
        listed: the distinct values; None once there are more than the limit.
    """

    type: pa.DataType
    limit: int
    low: pa.Scalar | None = None
    high: pa.Scalar | None = None
    has_null: bool = False
    has_nan: bool = False
    listed: pa.Array | None = None

    def __post_init__(self) -> None:
        """Nothing seen yet."""
        self.listed = pa.array([], self.type)

    def add(self, values: pa.Array) -> None:
        """Takes in further cells. Cost: O(cells)."""
        self.has_null |= values.null_count > 0
        self.has_nan |= pa.types.is_floating(self.type) and bool(pc.any(pc.is_nan(values)).as_py())
        ends = pc.min_max(values)
        if not ends["min"].is_valid:
            return
        both = pa.array([end for end in (self.low, self.high, ends["min"], ends["max"]) if end is not None], self.type)
        ends = pc.min_max(both)
        self.low, self.high = ends["min"], ends["max"]
        if self.listed is not None:
            found = pc.unique(pa.concat_arrays([self.listed, pc.unique(values.drop_null())]))
            self.listed = found if len(found) <= self.limit else None

    def values(self) -> Iterator[pa.Scalar]:
        """The distinct values in their order, where they are few enough to be listed."""
        if self.listed is not None:
            yield from self.listed.take(pa.array(ascending(self.listed)))

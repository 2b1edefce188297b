"""What a sample lake is made of: tables with a note, grouped in families with claims about containment."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa


class Layout(Protocol):
    """How a table lies on disk."""

    @property
    def format(self) -> str:
        """`parquet`, `delta`, `csv` or `json`."""
        ...

    def write(self, root: Path, name: str, data: pa.Table) -> str:
        """Write `data` below `root`; returns the path of its file or folder, relative to `root`."""
        ...


@dataclass(frozen=True)
class SampleTable:
    """A table of the lake: `data` is what a right reader gives back, `note` says how it was made."""

    name: str
    data: pa.Table
    layout: Layout
    note: str


@dataclass(frozen=True)
class Claim:
    """`child` is contained in `parent` under set semantics, and under bag semantics where `is_bag`."""

    child: str
    parent: str
    why: str
    is_bag: bool = True


@dataclass(frozen=True)
class Family:
    """Tables of one origin; pairs that no chain of claims joins are not contained."""

    tables: tuple[SampleTable, ...]
    claims: tuple[Claim, ...] = ()


def copies(why: str, *names: str) -> list[Claim]:
    """Claims that the named tables hold the same rows, each in the next and the last in the first."""
    return [Claim(child, parent, why) for child, parent in zip(names, [*names[1:], names[0]], strict=True)]


def subset(data: pa.Table, is_kept: np.ndarray) -> pa.Table:
    """The rows of `data` where the mask (n,) holds."""
    return data.filter(pa.array(is_kept))


def replaced(data: pa.Table, column: str, values: Sequence[object] | pa.Array | np.ndarray) -> pa.Table:
    """`data` with other values in one column, of the same type unless an Arrow array says otherwise."""
    position = data.schema.get_field_index(column)
    if not isinstance(values, pa.Array):
        values = pa.array(values, data.schema.field(column).type)
    return data.set_column(position, column, values)


def with_cell(data: pa.Table, column: str, row: int, value: object) -> pa.Table:
    """`data` with one cell changed."""
    values = data[column].to_pylist()
    values[row] = value
    return replaced(data, column, values)

"""The first cell that keeps a column of a text file from having a type: found in the staged copy, for `explain`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.read import read_split
from lakebed.connectors.lake.text.renderings import (
    BOOLS,
    COMMA,
    DATES,
    FLOATS,
    FLOATS_WITH_COMMA,
    decimal_rendering,
    has_decimal_comma,
)
from lakebed.connectors.lake.text.types import is_plain_form, parse_canonical, timestamp_forms

_NULL_WORDS = re.compile(r"\\N|-+|\?|(?i:n/?a|nan|null|none|nil|missing)")
GIVE_TYPE = "`lake.text.types` gives a column of a text file another"
_CANONICAL = {"number": ("int64", "float64"), "bool": ("bool",), "date": ("date",)}
_RENDERINGS = {
    **_CANONICAL,
    "number": ("int64", "float64", *FLOATS, *FLOATS_WITH_COMMA),
    "bool": ("bool", *BOOLS),
    "date": ("date", *DATES),
}

_Fits = Callable[[pa.Array], bool]


@dataclass(frozen=True)
class Obstacle:
    """The cell at which the rendering that writes the most cells before it ends.

    Attributes:
        path: of the text file, below the lake's root.
        row: of its data, from 1.
        cell: as it is written.
        rendering: its name.
    """

    path: str
    row: int
    cell: str
    rendering: str

    @property
    def setting(self) -> str:
        """The setting by which the column could have that type in spite of it."""
        if _NULL_WORDS.fullmatch(self.cell):
            return f"`lake.text.files` may give {self.path} `null_values` with it"
        return GIVE_TYPE


def find_obstacle(
    staged_root: str, files: Sequence[Mapping[str, Any]], token: str, type_class: str, *, is_canonical: bool
) -> Obstacle | None:
    """The first cell of a table's text that is in the way of a type of that class; None if each file has one.

    Args:
        staged_root: folder of the inventory's artifact.
        files: rows of the inventory's `files`.
        token: of the column, which is text.
        type_class: of the type that it might have.
        is_canonical: whether each type has one rendering only.

    Raises:
        SourceError: if a copy cannot be read.
    """
    for file in files:
        found = _furthest(_cells(staged_root, file, token), type_class, is_canonical=is_canonical)
        if found is not None:
            return Obstacle(str(file["path"]), *found)
    return None


def _cells(staged_root: str, file: Mapping[str, Any], token: str) -> Iterator[pa.Array]:
    """A column as it is staged, a batch at a time."""
    split = Split(0, 0, file["staged_path"], "staged", None, (), (), file["n_rows"], 0)
    for batch in read_split(staged_root, split, [token], ReadCounter()):
        values = batch[token].values
        yield values if pa.types.is_string(values.type) else pc.cast(values, pa.string())


def _furthest(batches: Iterator[pa.Array], type_class: str, *, is_canonical: bool) -> tuple[int, str, str] | None:
    """(row, cell, rendering) where the last of the renderings ends; None where one writes all cells."""
    left: list[tuple[str, _Fits]] = []
    start, last = 0, None
    for batch in batches:
        rows = np.flatnonzero(batch.is_valid().to_numpy(zero_copy_only=False))
        cells = batch.drop_null()
        if len(cells) and last is None and not left:
            left = _renderings(cells[0].as_py(), type_class, is_canonical=is_canonical)
        for one in list(left):
            if (place := _first_unfit(cells, one[1])) is not None:
                left.remove(one)
                row = start + int(rows[place]) + 1
                last = (row, cells[place].as_py(), one[0]) if last is None or row > last[0] else last
        if last and not left:
            return last
        start += len(batch)
    return None


def _renderings(first: str, type_class: str, *, is_canonical: bool) -> list[tuple[str, _Fits]]:
    """Tests of whether cells are of a rendering, with its name; the first cell tells forms of times and decimals."""
    if type_class == "timestamp":
        known = [form for form in timestamp_forms(first) if not is_canonical or is_plain_form(form)]
        # a cell that is no time has no form, and so fits none
        return [("timestamp", partial(_fits, name="timestamp", form=form)) for form in known or [""]]
    names = list((_CANONICAL if is_canonical else _RENDERINGS).get(type_class, ()))
    if type_class == "number" and not is_canonical and (name := decimal_rendering(first)):
        names += [name] if name.endswith(COMMA) else [name, f"{name}w"]
    if not has_decimal_comma(pa.array([first])):
        names = [name for name in names if not name.endswith(COMMA)]
    return [(name, partial(_fits, name=name)) for name in names]


def _fits(cells: pa.Array, name: str, form: str = "") -> bool:
    return parse_canonical(cells, name, form) is not None


def _first_unfit(cells: pa.Array, fits: _Fits) -> int | None:
    """The place of the first cell that does not fit, by halving."""
    if not len(cells) or fits(cells):
        return None
    start, stop = 0, len(cells)
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (middle, stop) if fits(cells.slice(start, middle - start)) else (start, middle)
    return start

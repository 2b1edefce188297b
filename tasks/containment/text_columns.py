"""Columns of text files in a pair, in words: types, renderings, what they are compared by, what is in the way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.tasks.containment.asked import TEXT_FORMATS, InventoryParts
from lakebed.tasks.containment.obstacles import GIVE_TYPE, Obstacle, find_obstacle
from lakebed.tasks.containment.statistics import LakeStatistics

MAX_NAMES = 5


@dataclass(frozen=True)
class TextColumns:
    """What the inventory knows of text files' columns.

    Attributes:
        parts: of the inventory, with readings.
        lake: the same as arrays.
        staged_root: folder of the inventory's artifact.
        is_strict: whether types are compared strictly.
        is_canonical: whether a type has one rendering only.
    """

    parts: InventoryParts
    lake: LakeStatistics
    staged_root: str
    is_strict: bool = False
    is_canonical: bool = False
    _known: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def compared(self, child: int, parent: int) -> list[dict[str, Any]]:
        """The child's columns that a text file has on one side at least, where types or renderings are to be told."""
        ends = int(self.lake.stands_for[child]), int(self.lake.stands_for[parent])
        if not self._texts & set(ends):
            return []
        as_text = set(self.lake.compared_as_text(child, parent))
        found = []
        for token in self.lake.bounds.token[self.lake.columns_of(ends[0])].tolist():
            name = self.lake.tokens[token]
            types = [self._type(end, token)[0] for end in ends]
            written = [self.renderings(end, name) for end in ends]
            if types[0] != types[1] or name in as_text or any(":" in one for side in written for one in side):
                how = "as text" if name in as_text else "by value"
                facts = {"child_type": types[0], "parent_type": types[1], "compared": how}
                sides = {"child_renderings": written[0], "parent_renderings": written[1]}
                found.append({"column": dotted(name), **facts, **sides})
        return found

    def renderings(self, table: int, token: str) -> list[str]:
        """How the files of a table write a column, each way once; nothing of a table that is no text."""
        if table not in self._texts:
            return []
        rules = (file["casts"].get(token, "") for file in self._files(table))
        return list(dict.fromkeys(rule for rule in rules if rule))

    def in_the_way(self, child: int, parent: int, token: int) -> tuple[str, dict[str, Any]]:
        """Why the types of a column cannot be equal, in words and as facts; empty where no text file is concerned."""
        ends = int(self.lake.stands_for[child]), int(self.lake.stands_for[parent])
        types = [self._type(end, token) for end in ends]
        if self.is_strict and types[0][1] == types[1][1]:
            return "; `containment.strict_types = false` compares by value", {}
        texts = [(end, mine[1], other[1]) for end, mine, other in zip(ends, types, types[::-1], strict=True)
                 if end in self._texts]  # fmt: skip
        for end, mine, other in texts:
            if mine == "string" and (cell := self._obstacle(end, token, other)):
                where = f"data row {cell.row:,} of {cell.path}"
                words = f"; {cell.rendering} does not write {cell.cell!r} in {where}; {cell.setting}"
                return words, {"obstacle": vars(cell)}
        written = ", ".join(rule for end, _, _ in texts for rule in self.renderings(end, self.lake.tokens[token]))
        return f"; the text file has it as {written}; {GIVE_TYPE}" if texts else "", {}

    def _obstacle(self, table: int, token: int, type_class: str) -> Obstacle | None:
        is_canonical = self.is_canonical or self.is_strict
        name, files = self.lake.tokens[token], self._files(table)
        try:
            return find_obstacle(self.staged_root, files, name, type_class, is_canonical=is_canonical)
        except SourceError:
            return None

    @cached_property
    def _texts(self) -> set[int]:
        is_text = pc.is_in(self.parts.tables["format"], value_set=pa.array(TEXT_FORMATS))
        return set(self.parts.tables.filter(is_text)["table_id"].to_pylist())

    @cached_property
    def _types(self) -> list[tuple[str, str]]:
        return list(zip(*(self.parts.columns[name].to_pylist() for name in ("type", "type_class")), strict=True))

    def _files(self, table: int) -> list[dict[str, Any]]:
        if table not in self._known:
            rows = self.parts.files.filter(pc.equal(self.parts.files["table_id"], table))
            names = ["path", "staged_path", "casts", "n_rows"]
            self._known[table] = [{**row, "casts": json.loads(row["casts"])} for row in rows.select(names).to_pylist()]
        return self._known[table]

    def _type(self, table: int, token: int) -> tuple[str, str]:
        """The type of a table's column, and its class."""
        place = int(self.lake.entries(np.array([table]), np.array([token]))[0])
        return self._types[int(self.lake.column_rows[place])]


def compared_words(columns: Sequence[Mapping[str, Any]]) -> str:
    """What `TextColumns.compared` has found, for people; empty where it has found nothing."""
    as_text = [one["column"] for one in columns if one["compared"] == "as text"]
    by_value = [
        f"{one['column']}, {_side(one, 'child')} against {_side(one, 'parent')}"
        for one in columns
        if one["compared"] == "by value"
    ]
    said = f" ({_first(as_text, ', ')}: typed in the text file, compared as text with text)" if as_text else ""
    more = "; `containment.strict_types` asks for equal types"
    return f"{said} (by value: {_first(by_value, '; ')}{more})" if by_value else said


def _side(column: Mapping[str, Any], end: str) -> str:
    """A type, and the rendering where it is not the one that the type is called by."""
    named = [rule for rule in column[f"{end}_renderings"] if rule != column[f"{end}_type"]]
    return f"{column[f'{end}_type']} as {' and '.join(named)}" if named else str(column[f"{end}_type"])


def _first(words: Sequence[str], between: str) -> str:
    more = f" and {len(words) - MAX_NAMES} more" if len(words) > MAX_NAMES else ""
    return between.join(words[:MAX_NAMES]) + more


def dotted(token: str) -> str:
    """The path of a column as people write it."""
    return ".".join(str(part) for part in json.loads(token))

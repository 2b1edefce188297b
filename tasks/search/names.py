"""The tables and columns of an index by their names."""

import json
from functools import cached_property

import numpy as np
import pyarrow.compute as pc

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.index.evidence import Evidence
from lakebed.tasks.index.kernel.ngrams import whole_words
from lakebed.tasks.index.vector_index import unknown_id
from lakebed.tasks.keys.lake import path_text


class LakeNames:
    """What people call tables and columns, and the numbers that the index has for them."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Tables."""
        return {name: number for number, name in enumerate(self._evidence.tables)}

    @cached_property
    def words(self) -> list[str]:
        """Of tables and then of columns, as `has_words` asks them."""
        return whole_words([*self._evidence.tables, *self._tokens])

    def table(self, name: str) -> int:
        """The number of a table.

        Raises:
            ConfigError: if there is none; near names are told.
        """
        if name not in self.number_of:
            raise unknown_id(name, self._evidence.tables)
        return self.number_of[name]

    def column(self, name: str) -> int:
        """The column of `TABLE.COLUMN` or of its JSON text.

        Raises:
            ConfigError: if there is none, or several of the name.
        """
        labels = self._evidence.columns["label"]
        found = np.flatnonzero(pc.equal(labels, name).to_numpy()).tolist() if len(labels) else []
        if not found and name.startswith("["):
            found = [at for at in [self._number_of_key.get(name)] if at is not None]
        if len(found) > 1:
            raise ConfigError(
                "several columns have this name",
                value=name,
                expected="the JSON text of the list of table and path",
                examples=[self.key(number).removeprefix("column:") for number in found],
            )
        if not found:
            raise unknown_id(name, [str(label) for label in labels.to_pylist()])
        return int(found[0])

    def key(self, column: int) -> str:
        """Of the column's node in the lake graph."""
        table = self._evidence.tables[int(self._evidence.table_of[column])]
        return "column:" + _json([table, *json.loads(self._tokens[column])])

    def label(self, column: int) -> str:
        """Table and path."""
        return str(self._evidence.columns["label"][column].as_py())

    def path(self, column: int) -> str:
        """The path alone, steps joined by dots."""
        return path_text(self._tokens[column])

    def is_same(self, one: int, other: int) -> bool:
        """Whether two columns have one path."""
        return self._tokens[one] == self._tokens[other]

    @cached_property
    def _number_of_key(self) -> dict[str, int]:
        return {self.key(column).removeprefix("column:"): column for column in range(len(self._tokens))}

    @cached_property
    def _tokens(self) -> list[str]:
        return [str(token) for token in self._evidence.columns["token"].to_pylist()]


def _json(path: list[str | int]) -> str:
    return json.dumps(path, ensure_ascii=False, separators=(",", ":"))

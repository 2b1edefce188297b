"""What is asked of text files: which of their typed columns other tables have as strings, and in which sets.

See readings.py for what comes of it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.containment.kernel.asked import Columns, asked_sets
from lakebed.tasks.containment.kernel.schema_graph import Int32

# sets of columns of one table that are read as text; each is a table of its own to the steps behind
MAX_READINGS = 64
_Tokens = Mapping[int, frozenset[str]]
LEFT_OUT_KEY = "readings_left_out"
TEXT_FORMATS = ("csv", "json")
# what a JSON file has as a number, true or false is no text, unless its number is kept as it was written
_JSON_TEXTS = ("date", "timestamp")


@dataclass(frozen=True)
class InventoryParts:
    """The tables of the inventory that statistics are made from."""

    tables: pa.Table
    columns: pa.Table
    files: pa.Table
    file_bounds: pa.Table
    partition_values: pa.Table


@dataclass(frozen=True)
class Asked:
    """The readings: of which table, and which of its columns as text; in the order of their numbers.

    Attributes:
        columns: of each of these tables, all that some reading may have as text.
        left_out: tables of which more sets are asked than `MAX_READINGS`, and how many more.
    """

    table: Int32
    tokens: list[frozenset[str]]
    columns: Mapping[int, frozenset[str]]
    left_out: Mapping[int, int]


def asked_readings(parts: InventoryParts, typed: _Tokens, strings: _Tokens) -> Asked:
    """The sets of columns that tables of which one's schema holds the other's ask as text, the most asked of a table.

    Args:
        parts: of the inventory.
        typed: columns of each table of text that have a type and a text.
        strings: string columns of each table.
    """
    names = frozenset().union(*typed.values()) & frozenset().union(*strings.values())
    vocabulary = pc.unique(parts.columns["token"])
    shared = [{table: one & names for table, one in side.items() if one & names} for side in (typed, strings)]
    texts, others = (_alike(parts.columns, vocabulary, side) for side in shared)
    sets, n_more = asked_sets([one for one, _ in texts], [one for one, _ in others], MAX_READINGS)
    words = vocabulary.to_pylist()
    asked = sorted(
        (table, tuple(sorted(words[token] for token in one)))
        for (_, tables), found in zip(texts, sets, strict=True)
        for one in found
        for table in tables
    )
    left_out = {table: n for (_, tables), n in zip(texts, n_more.tolist(), strict=True) if n for table in tables}
    read = {table: typed[table] & names for table, _ in asked}
    numbers = np.array([table for table, _ in asked], np.int32)
    return Asked(numbers, [frozenset(tokens) for _, tokens in asked], read, left_out)


def _alike(
    columns: pa.Table, vocabulary: pa.Array, chosen: Mapping[int, frozenset[str]]
) -> list[tuple[Columns, list[int]]]:
    """Tables with the same columns, and the same chosen ones: their columns, and which tables these are."""
    tables = pc.is_in(columns["table_id"], value_set=pa.array(sorted(chosen), pa.int32()))
    mine = columns.filter(tables)
    token = pc.index_in(mine["token"], vocabulary).to_numpy().astype(np.int32)
    is_chosen = np.array([one in chosen[table] for table, one in keys_of(mine)], np.bool_)
    table = mine["table_id"].to_numpy()
    order = np.lexsort((token, table))
    ids, starts = np.unique(table[order], return_index=True)
    found: dict[tuple[bytes, bytes], tuple[Columns, list[int]]] = {}
    for number, row in zip(ids.tolist(), np.split(order, starts[1:]), strict=bool(len(ids))):
        tokens, flags = token[row], is_chosen[row]
        one = Columns(tokens, tokens[flags], tokens[~flags], 1)
        found.setdefault((tokens.tobytes(), flags.tobytes()), (one, []))[1].append(number)
    return [(replace(one, n_tables=len(numbers)), numbers) for one, numbers in found.values()]


def keys_of(rows: pa.Table) -> Iterator[tuple[int, str]]:
    """(table_id, token) of each row."""
    return zip(rows["table_id"].to_pylist(), rows["token"].to_pylist(), strict=True)


def typed_text(parts: InventoryParts) -> dict[int, frozenset[str]]:
    """The columns of each table of text that have a type and a text."""
    formats = parts.tables.select(["table_id", "format"]).filter(
        pc.is_in(parts.tables["format"], value_set=pa.array(TEXT_FORMATS))
    )
    if not formats.num_rows:
        return {}
    format_of = dict(zip(*formats.to_pydict().values(), strict=True))
    left_out: dict[int, set[str]] = {table: set() for table in format_of}
    cast: dict[int, set[str]] = {table: set() for table in format_of}
    files = parts.files.filter(pc.is_in(parts.files["table_id"], value_set=formats["table_id"]))
    for table, casts in zip(files["table_id"].to_pylist(), files["casts"].to_pylist(), strict=True):
        for token, rule in json.loads(casts).items():
            is_text = rule in _JSON_TEXTS or ":" in rule or format_of[table] == "csv"
            (cast if is_text else left_out)[table].add(token)
    is_typed = pc.and_(
        pc.is_in(parts.columns["table_id"], value_set=formats["table_id"]),
        pc.not_equal(parts.columns["type_class"], "string"),
    )
    found: dict[int, set[str]] = {}
    for table, token in keys_of(parts.columns.filter(is_typed)):
        if token in cast[table] and token not in left_out[table]:
            found.setdefault(table, set()).add(token)
    return {table: frozenset(tokens) for table, tokens in found.items()}


def string_columns(parts: InventoryParts) -> dict[int, frozenset[str]]:
    """The string columns of each table, those of text files that no type fits among them."""
    is_string = pc.equal(parts.columns["type_class"], "string")
    found: dict[int, set[str]] = {}
    for table, token in keys_of(parts.columns.filter(is_string)):
        found.setdefault(table, set()).add(token)
    return {table: frozenset(tokens) for table, tokens in found.items()}

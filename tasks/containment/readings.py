"""Typed columns of text files, read as their text where another table has text under that name.

A column of a CSV or JSON file that has a type counts by value against typed columns and between text files, and by its
text against the string columns of other tables: a Parquet column of zip codes has its CSV export for an equal, and so
has a Parquet column of numbers. What a pair asks for follows from its schemas: a table of text gets one *reading* for
each set of its columns that some table asks as text, and every pair has just one reading that it is compared under
(`kernel/min_max.py`). A reading is a table of its own to the steps behind: with bounds, splits, samples and row hashes;
its number stands behind those of the tables.

Equality is not transitive over them: a string column, its CSV, and a column of floats.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.model import FileEntry
from lakebed.connectors.lake.parquet import read_footer
from lakebed.connectors.lake.statistics import AFTER_TEXT, FileFacts
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.kernel.min_max import Form
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.trust import BOUNDS, Untrusted, without
from lakebed.tasks.encoding.order_keys import order_key

STANDS_FOR, FORM = "stands_for", "form"
_TEXT_FORMATS = ("csv", "json")
# what a JSON file has as a number, true or false is no text, unless its number is kept as it was written
_JSON_TEXTS = ("date", "timestamp")
_AS_TEXT = {"type": "string", "type_class": "string"}


@dataclass(frozen=True)
class InventoryParts:
    """The tables of the inventory that statistics are made from."""

    tables: pa.Table
    columns: pa.Table
    files: pa.Table
    file_bounds: pa.Table
    partition_values: pa.Table


@dataclass(frozen=True)
class _Asked:
    """The readings: of which table, and which of its columns as text; in the order of their numbers."""

    table: Int32
    tokens: list[frozenset[str]]


def with_readings(parts: InventoryParts, staged_root: str, wrong: Untrusted) -> InventoryParts:
    """The inventory with the readings that its tables ask for, behind its tables.

    `tables` gets the column `stands_for`, `columns` the column `form`; where nothing is asked, nothing is added. Reads
    the footers of the staged copies of the tables that get a reading.

    Args:
        parts: of the inventory.
        staged_root: folder of the inventory's artifact.
        wrong: columns of the tables whose statistics are not to be trusted; their text has no bounds either.

    Raises:
        SourceBusyError: if the store of the copies does not answer.
    """
    typed, strings = _typed_text(parts), _string_columns(parts)
    if not typed or not strings:
        return parts
    asked = _asked(parts.columns, typed, strings)
    if not len(asked.table):
        return parts
    numbers = np.arange(len(asked.table), dtype=np.int32) + np.int32(parts.tables.num_rows)
    forms = _forms(asked, numbers, strings)
    added = _readings(parts, asked, numbers, forms, staged_root)
    named = zip(numbers.tolist(), asked.table.tolist(), strict=True)
    is_wrong = {number: wrong[table] for number, table in named if table in wrong}
    columns = without(added.columns, is_wrong, BOUNDS)
    return _joined(_marked(parts, forms), replace(added, columns=columns))


def _readings(
    parts: InventoryParts, asked: _Asked, numbers: Int32, forms: Mapping[tuple[int, str], int], staged_root: str
) -> InventoryParts:
    """The rows of the readings, under their numbers."""
    copied = InventoryParts(**{name: _copies(rows, asked.table, numbers) for name, rows in vars(parts).items()})
    tokens = dict(zip(numbers.tolist(), asked.tokens, strict=True))
    files = _uncast(copied.files, tokens)
    # what a file's typed values lie between says nothing of their text
    is_kept = [token not in tokens[table] for table, token in _keys(copied.file_bounds)]
    return InventoryParts(
        tables=_renamed(copied.tables, tokens, asked.table),
        columns=_read_as_text(copied.columns, tokens, forms, _text_bounds(files, tokens, staged_root)),
        files=files,
        file_bounds=copied.file_bounds.filter(pa.array(is_kept, pa.bool_())),
        partition_values=copied.partition_values,
    )


def _marked(parts: InventoryParts, forms: Mapping[tuple[int, str], int]) -> InventoryParts:
    """The tables themselves, with the two columns that tell readings."""
    form = pa.array([forms.get(key, 0) for key in _keys(parts.columns)], pa.int8())
    tables = parts.tables.append_column(STANDS_FOR, parts.tables["table_id"])
    return replace(parts, tables=tables, columns=parts.columns.append_column(FORM, form))


def _joined(own: InventoryParts, added: InventoryParts) -> InventoryParts:
    both = {name: (rows, vars(added)[name].cast(rows.schema)) for name, rows in vars(own).items()}
    return InventoryParts(**{name: pa.concat_tables(rows) for name, rows in both.items()})


def _keys(rows: pa.Table) -> Iterator[tuple[int, str]]:
    return zip(rows["table_id"].to_pylist(), rows["token"].to_pylist(), strict=True)


def _typed_text(parts: InventoryParts) -> dict[int, frozenset[str]]:
    """The columns of each table of text that have a type and a text."""
    formats = parts.tables.select(["table_id", "format"]).filter(
        pc.is_in(parts.tables["format"], value_set=pa.array(_TEXT_FORMATS))
    )
    if not formats.num_rows or formats.num_rows == parts.tables.num_rows:
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
    for table, token in _keys(parts.columns.filter(is_typed)):
        if token in cast[table] and token not in left_out[table]:
            found.setdefault(table, set()).add(token)
    return {table: frozenset(tokens) for table, tokens in found.items()}


def _string_columns(parts: InventoryParts) -> dict[int, frozenset[str]]:
    """The string columns of each table that is no text file."""
    others = parts.tables.filter(pc.invert(pc.is_in(parts.tables["format"], value_set=pa.array(_TEXT_FORMATS))))[
        "table_id"
    ]
    is_string = pc.and_(
        pc.is_in(parts.columns["table_id"], value_set=others), pc.equal(parts.columns["type_class"], "string")
    )
    found: dict[int, set[str]] = {}
    for table, token in _keys(parts.columns.filter(is_string)):
        found.setdefault(table, set()).add(token)
    return {table: frozenset(tokens) for table, tokens in found.items()}


def _asked(columns: pa.Table, typed: Mapping[int, frozenset[str]], strings: Mapping[int, frozenset[str]]) -> _Asked:
    """The sets of columns that tables of which one's schema holds the other's ask as text; schemas are tried once.

    O(schemas of text by schemas that share a column with them).
    """
    names = frozenset().union(*typed.values()) & frozenset().union(*strings.values())
    texts = _by_schema(columns, {table: tokens & names for table, tokens in typed.items() if tokens & names})
    others = _by_schema(columns, {table: tokens & names for table, tokens in strings.items() if tokens & names})
    having: dict[str, list[tuple[frozenset[str], frozenset[str]]]] = {}
    for schema, tokens in others:
        for token in tokens:
            having.setdefault(token, []).append((schema, tokens))
    asked: list[tuple[int, tuple[str, ...]]] = []
    for (schema, tokens), tables in texts.items():
        near = {other for token in tokens for other in having.get(token, ())}
        # what the other lacks is text too: one reading serves all tables that hold text alone
        sets = {tokens - (other - theirs) for other, theirs in near if schema <= other or other <= schema}
        asked += [(table, tuple(sorted(one))) for table in tables for one in sets]
    asked.sort()
    return _Asked(np.array([table for table, _ in asked], np.int32), [frozenset(tokens) for _, tokens in asked])


def _by_schema(
    columns: pa.Table, chosen: Mapping[int, frozenset[str]]
) -> dict[tuple[frozenset[str], frozenset[str]], list[int]]:
    """The tables of each (all tokens, chosen tokens)."""
    mine = columns.filter(pc.is_in(columns["table_id"], value_set=pa.array(sorted(chosen), pa.int32())))
    tokens: dict[int, set[str]] = {}
    for table, token in _keys(mine):
        tokens.setdefault(table, set()).add(token)
    found: dict[tuple[frozenset[str], frozenset[str]], list[int]] = {}
    for table, all_tokens in tokens.items():
        found.setdefault((frozenset(all_tokens), chosen[table]), []).append(table)
    return found


def _copies(rows: pa.Table, tables: Int32, numbers: Int32) -> pa.Table:
    """The rows of each of the tables, which may come again, under their new numbers."""
    ids = rows["table_id"].to_numpy()
    order: Int64 = np.argsort(ids, kind="stable")
    start, end = (np.searchsorted(ids[order], tables, side) for side in ("left", "right"))
    taken = [order[low:high] for low, high in zip(start.tolist(), end.tolist(), strict=True)]
    copied = rows.take(pa.array(np.concatenate([np.empty(0, np.int64), *taken])))
    place = rows.column_names.index("table_id")
    return copied.set_column(place, rows.schema.field(place), pa.array(np.repeat(numbers, end - start), pa.int32()))


def _renamed(tables: pa.Table, tokens: Mapping[int, frozenset[str]], stands_for: Int32) -> pa.Table:
    """Names that no file can have, so that the next run knows the readings again; their bytes count once."""
    rows = [
        {**row, "name": "\0".join([row["name"], *sorted(tokens[row["table_id"]])]), "n_bytes": 0, STANDS_FOR: table}
        for row, table in zip(tables.to_pylist(), stands_for.tolist(), strict=True)
    ]
    return pa.Table.from_pylist(rows, tables.schema.append(pa.field(STANDS_FOR, pa.int32())))


def _uncast(files: pa.Table, tokens: Mapping[int, frozenset[str]]) -> pa.Table:
    """The files with the cells of these columns left as they are staged."""
    casts = [
        json.dumps({token: rule for token, rule in json.loads(text).items() if token not in tokens[table]})
        for table, text in zip(files["table_id"].to_pylist(), files["casts"].to_pylist(), strict=True)
    ]
    place = files.column_names.index("casts")
    return files.set_column(place, files.schema.field(place), pa.array(casts, pa.string()))


def _forms(asked: _Asked, numbers: Int32, strings: Mapping[int, frozenset[str]]) -> dict[tuple[int, str], int]:
    """The form of the columns that some reading is about, by (table, token)."""
    any_of: dict[int, set[str]] = {}
    for table, tokens in zip(asked.table.tolist(), asked.tokens, strict=True):
        any_of.setdefault(table, set()).update(tokens)
    names = frozenset().union(*any_of.values())
    forms = {(table, token): int(Form.VALUE) for table, tokens in any_of.items() for token in tokens}
    forms |= {(table, token): int(Form.STRING) for table, tokens in strings.items() for token in tokens & names}
    for number, table, tokens in zip(numbers.tolist(), asked.table.tolist(), asked.tokens, strict=True):
        forms |= {(number, token): int(Form.TEXT if token in tokens else Form.VALUE) for token in any_of[table]}
    return forms


_Keys = Mapping[tuple[int, str], tuple[bytes | None, ...]]


def _read_as_text(
    columns: pa.Table, tokens: Mapping[int, frozenset[str]], forms: Mapping[tuple[int, str], int], bounds: _Keys
) -> pa.Table:
    """The columns of readings, with the type and the bounds that they have as text."""
    rows: list[dict[str, Any]] = []
    for row in columns.to_pylist():
        key = row["table_id"], row["token"]
        row[FORM] = forms.get(key, 0)
        if row["token"] in tokens[row["table_id"]]:
            keys = bounds.get(key, (None,) * len(BOUNDS))
            shown = {"min_text": _shown(keys[0]), "max_text": _shown(keys[3])}
            row |= {**_AS_TEXT, **shown, **dict(zip(BOUNDS, keys, strict=True))}
        rows.append(row)
    return pa.Table.from_pylist(rows, columns.schema.append(pa.field(FORM, pa.int8())))


def _shown(key: bytes | None) -> str | None:
    return None if key is None else key.removesuffix(AFTER_TEXT).decode("utf-8", "replace")


def _text_bounds(files: pa.Table, tokens: Mapping[int, frozenset[str]], staged_root: str) -> _Keys:
    """Keys of the bounds of each reading's text, from the footers of its staged copies; none where one tells none."""
    known: dict[str, FileFacts | None] = {}
    parts: dict[tuple[int, str], list[tuple[bytes | None, ...]]] = {}
    for table, path in zip(files["table_id"].to_pylist(), files["staged_path"].to_pylist(), strict=True):
        if path not in known:
            known[path] = _footer(staged_root, path)
        facts = known[path]
        for token in tokens[table]:
            parts.setdefault((table, token), []).extend(_file_keys(facts, token))
    found = {}
    for key, columns in parts.items():
        if columns and not any(None in known for known in columns):
            ends = zip(*columns, strict=True)
            found[key] = tuple(pick(values) for pick, values in zip((min, min, max, max), ends, strict=True))
    return found


def _footer(staged_root: str, path: str) -> FileFacts | None:
    try:
        file = Storage.at(staged_root).stat(path)
        return read_footer(staged_root, FileEntry(path, file.size, 0)) if file else None
    except SourceBusyError:
        raise
    except SourceError:
        return None


def _file_keys(facts: FileFacts | None, token: str) -> Iterable[tuple[bytes | None, ...]]:
    """The keys of one file's column: one entry, none where it has no value; an entry of None where it is unknown."""
    place = next((n for n, leaf in enumerate(facts.leaves) if leaf.token == token), None) if facts else None
    if facts is None or place is None:
        return [(None,)]
    stats = facts.statistics
    if stats.n_nulls[place] == facts.n_rows or pa.types.is_null(facts.leaves[place].type):
        return []
    ends = (stats.min_lower[place], stats.min_upper[place], stats.max_lower[place], stats.max_upper[place])
    return [tuple(order_key(end, "string", is_upper=number in (1, 3)) for number, end in enumerate(ends))]

"""Typed columns of text files, read as their text where another table has text under that name.

A column of a CSV or JSON file that has a type counts by value against typed columns, and by its text against string
columns: a Parquet column of zip codes has its CSV export for an equal, and so has a Parquet column of numbers; and a
CSV file that lies in a later one is contained in it, also where a cell such as `n/a` leaves that one's column text.
What a pair asks for follows from its schemas: a table of text gets one *reading* for each set of its columns that some
table asks as text, the most asked up to `MAX_READINGS`, and every pair has just one reading that it is compared under
(`kernel/min_max.py`); a pair whose reading is left out is undecided, which the summary, a note of the run and `explain`
say. A reading is a table of its own to the steps behind: with bounds, splits, samples and row hashes; its number stands
behind those of the tables.

Equality is not transitive over them: a string column, its CSV, and a column of floats.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.model import FileEntry
from lakebed.connectors.lake.parquet import read_footer
from lakebed.connectors.lake.statistics import AFTER_TEXT, FileFacts
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.asked import Asked, InventoryParts, asked_readings, keys_of, string_columns, typed_text
from lakebed.tasks.containment.kernel.min_max import Form
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.trust import BOUNDS, Untrusted, without
from lakebed.tasks.encoding.order_keys import order_key

STANDS_FOR, FORM = "stands_for", "form"
_AS_TEXT = {"type": "string", "type_class": "string"}


def with_readings(
    parts: InventoryParts, staged_root: str, wrong: Untrusted
) -> tuple[InventoryParts, Mapping[int, int]]:
    """The inventory with the readings that its tables ask for, behind its tables; how many of a table were left out.

    `tables` gets the column `stands_for`, `columns` the column `form`; where nothing is asked, nothing is added. Reads
    the footers of the staged copies of the tables that get a reading.

    Args:
        parts: of the inventory.
        staged_root: folder of the inventory's artifact.
        wrong: columns of the tables whose statistics are not to be trusted; their text has no bounds either.

    Raises:
        SourceBusyError: if the store of the copies does not answer.
    """
    typed, strings = typed_text(parts), string_columns(parts)
    if not typed or not strings:
        return parts, {}
    asked = asked_readings(parts, typed, strings)
    if not len(asked.table):
        return parts, {}
    numbers = np.arange(len(asked.table), dtype=np.int32) + np.int32(parts.tables.num_rows)
    forms = _forms(asked, numbers, strings)
    added = _readings(parts, asked, numbers, forms, staged_root)
    named = zip(numbers.tolist(), asked.table.tolist(), strict=True)
    is_wrong = {number: wrong[table] for number, table in named if table in wrong}
    columns = without(added.columns, is_wrong, BOUNDS)
    return _joined(_marked(parts, forms), replace(added, columns=columns)), asked.left_out


def _readings(
    parts: InventoryParts, asked: Asked, numbers: Int32, forms: Mapping[tuple[int, str], int], staged_root: str
) -> InventoryParts:
    """The rows of the readings, under their numbers."""
    copied = InventoryParts(**{name: _copies(rows, asked.table, numbers) for name, rows in vars(parts).items()})
    tokens = dict(zip(numbers.tolist(), asked.tokens, strict=True))
    files = _uncast(copied.files, tokens)
    # what a file's typed values lie between says nothing of their text
    is_kept = [token not in tokens[table] for table, token in keys_of(copied.file_bounds)]
    return InventoryParts(
        tables=_renamed(copied.tables, tokens, asked.table),
        columns=_read_as_text(copied.columns, tokens, forms, _text_bounds(files, tokens, staged_root)),
        files=files,
        file_bounds=copied.file_bounds.filter(pa.array(is_kept, pa.bool_())),
        partition_values=copied.partition_values,
    )


def _marked(parts: InventoryParts, forms: Mapping[tuple[int, str], int]) -> InventoryParts:
    """The tables themselves, with the two columns that tell readings."""
    form = pa.array([forms.get(key, 0) for key in keys_of(parts.columns)], pa.int8())
    tables = parts.tables.append_column(STANDS_FOR, parts.tables["table_id"])
    return replace(parts, tables=tables, columns=parts.columns.append_column(FORM, form))


def _joined(own: InventoryParts, added: InventoryParts) -> InventoryParts:
    both = {name: (rows, vars(added)[name].cast(rows.schema)) for name, rows in vars(own).items()}
    return InventoryParts(**{name: pa.concat_tables(rows) for name, rows in both.items()})


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


def _forms(asked: Asked, numbers: Int32, strings: Mapping[int, frozenset[str]]) -> dict[tuple[int, str], int]:
    """The form of the columns that some reading is about, by (table, token)."""
    names = frozenset().union(*asked.columns.values())
    forms = {(table, token): int(Form.VALUE) for table, tokens in asked.columns.items() for token in tokens}
    forms |= {(table, token): int(Form.STRING) for table, tokens in strings.items() for token in tokens & names}
    for number, table, tokens in zip(numbers.tolist(), asked.table.tolist(), asked.tokens, strict=True):
        forms |= {(number, token): int(Form.STRING) for token in strings.get(table, frozenset()) & names}
        kinds = ((token, Form.TEXT if token in tokens else Form.VALUE) for token in asked.columns[table])
        forms |= {(number, token): int(form) for token, form in kinds}
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

"""Which rows of a data file its delete files leave."""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import open_parquet, source_errors
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.iceberg.model import PATH_ID, POSITION_ID
from lakebed.connectors.lake.iceberg.schema import flat_ids, plain
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.lake_root import plain_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakebed.connectors.lake.iceberg.model import DeleteFile, FileReading

Positions = np.ndarray[tuple[int], np.dtype[np.int64]]
# entries of a table by place: a byte each
_MAX_SPAN = 1 << 26
_MAGIC = b"\xd1\xd3\x39\x64"


@dataclass(frozen=True)
class Numbers:
    """Integers of one column: `are_there` has an entry for each number from `low` on, and one for all others."""

    low: int
    are_there: np.ndarray[tuple[int], np.dtype[np.bool_]]
    has_null: bool

    @classmethod
    def among(cls, rows: pa.Table) -> Numbers | None:
        """The numbers of a table of one column of integers; None of another, and where they lie too far apart."""
        if rows.num_columns != 1 or not pa.types.is_signed_integer(rows.column(0).type):
            return None
        found = pc.unique(whole(rows.column(0)).drop_null()).to_numpy().astype(np.int64)
        low, high = (int(found.min()), int(found.max())) if len(found) else (0, 0)
        if high - low >= _MAX_SPAN:
            return None
        are_there = np.zeros(high - low + 2, np.bool_)
        are_there[found - low] = True
        return cls(low, are_there, rows.column(0).null_count > 0)

    def of(self, values: pa.Array) -> pa.Array:
        """(n,) whether each is among them."""
        numbers = pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        # what lies below wraps around to beyond the last entry, which is of none
        places = np.minimum((numbers - self.low).view(np.uint64), np.uint64(len(self.are_there) - 1))
        found = pa.array(self.are_there[places])
        return pc.if_else(values.is_null(), self.has_null, found) if values.null_count else found


@dataclass(frozen=True)
class Gone:
    """The rows that equality deletes name, and their numbers, where they are of one column of integers."""

    rows: pa.Table
    numbers: Numbers | None


@dataclass(frozen=True)
class Deletes:
    """The deletes of one data file: sorted positions of rows, and by columns (field ids) the values that go."""

    positions: Positions
    values: tuple[tuple[tuple[int, ...], Gone], ...] = ()

    @property
    def columns(self) -> list[int]:
        """The columns whose values tell, by field id."""
        return sorted({number for numbers, _ in self.values for number in numbers})

    def live(self, start: int, cells: Mapping[int, pa.Array], n_rows: int) -> pa.Array | None:
        """(n_rows,) which rows from `start` on are left; None where all are.

        Args:
            start: place in the file of the first row.
            cells: of `columns`, by field id.
            n_rows: how many.
        """
        low, high = np.searchsorted(self.positions, [start, start + n_rows])
        mask = None
        if low < high:
            left = np.ones(n_rows, np.bool_)
            left[self.positions[low:high] - start] = False
            mask = pa.array(left)
        for numbers, gone in self.values:
            kept = pc.invert(_is_among([cells[number] for number in numbers], gone))
            mask = kept if mask is None else pc.and_(mask, kept)
        return mask


def read_deletes(root: str, reading: FileReading) -> Deletes:
    """What deletes the rows of a data file.

    Raises:
        SourceError: if a delete file cannot be read.
    """
    parts: list[Positions] = []
    equal: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for one in reading.deletes:
        alive()
        if one.kind == "equality":
            equal[one.columns].append(one.path)
        elif one.kind == "vector":
            parts.append(_vector(root, one))
        else:
            parts.append(_positions(root, one.path).get(plain_path(reading.recorded), np.empty(0, np.int64)))
    values = tuple((numbers, _values(root, tuple(paths), numbers)) for numbers, paths in sorted(equal.items()))
    return Deletes(np.unique(np.concatenate([np.empty(0, np.int64), *parts])), values)


def that_apply(root: str, reading: FileReading) -> FileReading:
    """The reading without positional deletes that name other files of the partition alone.

    Raises:
        SourceError: if a delete file cannot be read.
    """
    name, kept = plain_path(reading.recorded), []
    for one in reading.deletes:
        alive()
        if one.kind != "positions" or name in _positions(root, one.path):
            kept.append(one)
    return replace(reading, deletes=tuple(kept))


@lru_cache(maxsize=256)
def _positions(root: str, path: str) -> dict[str, Positions]:
    """The rows that a positional delete file names, by data file; kept, as one file may delete from many."""
    table = _columns(root, path, {PATH_ID: "file_path", POSITION_ID: "pos"})
    names = pc.dictionary_encode(table.column(0).combine_chunks().cast(pa.string()))
    codes, places = names.indices.to_numpy(), table.column(1).to_numpy().astype(np.int64)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(names.dictionary) + 1))
    found: dict[str, list[Positions]] = defaultdict(list)
    for number, name in enumerate(names.dictionary.to_pylist()):
        found[plain_path(name)].append(places[order[ends[number] : ends[number + 1]]])
    return {name: np.concatenate(arrays) for name, arrays in found.items()}


def _vector(root: str, delete: DeleteFile) -> Positions:
    """The rows that a deletion vector names: length, magic, a 64-bit Roaring bitmap, CRC-32; in Puffin or bare."""
    import pyroaring

    with source_errors(delete.path), open_file(root, delete.path) as stream:
        stream.seek(delete.offset)
        data = bytes(stream.read(delete.size) if delete.size is not None else stream.read())
        size = int.from_bytes(data[:4], "big")
        body = data[4 : 4 + size]
        if len(body) != size or not body.startswith(_MAGIC):
            raise ValueError("it holds no deletion vector at that place")
        if zlib.crc32(body) != int.from_bytes(data[4 + size : 8 + size], "big"):
            raise ValueError("its deletion vector does not have the check sum that it should")
        bitmap = pyroaring.BitMap64.deserialize(body[4:])
        return np.fromiter(bitmap, np.int64, len(bitmap))


@lru_cache(maxsize=4)
def _values(root: str, paths: tuple[str, ...], numbers: tuple[int, ...]) -> Gone:
    """The values that equality deletes name; kept, as they delete from many files."""
    tables = [_columns(root, path, dict.fromkeys(numbers, "")) for path in paths]
    rows = pa.concat_tables(tables, promote_options="permissive")
    return Gone(rows, Numbers.among(rows))


def _columns(root: str, path: str, wanted: Mapping[int, str]) -> pa.Table:
    """Columns of a delete file, by field id or, where it has none, by name; called by their ids."""
    with source_errors(path), open_file(root, path) as source:
        file = open_parquet(source)
        schema, arrays = file.schema_arrow, []
        places = flat_ids(schema)
        for number, name in wanted.items():
            place = places.get(number) or ((schema.get_field_index(name),) if name in schema.names else None)
            if place is None:
                raise ValueError(f"it lacks the column with the id {number}")
            arrays.append((str(number), place))
        tops = sorted({schema.field(place[0]).name for _, place in arrays})
        table = file.read(columns=tops, use_threads=False).combine_chunks()
        cells = {name: _descend(table, schema, place) for name, place in arrays}
        return pa.table(cells)


def _descend(table: pa.Table, schema: pa.Schema, place: Sequence[int]) -> pa.Array:
    values = whole(table.column(schema.field(place[0]).name))
    for step in place[1:]:
        values = pc.struct_field(values, [step])
    return plain(values)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _is_among(cells: Sequence[pa.Array], gone: Gone) -> pa.Array:
    """(n,) whether a row's cells are those of a row that goes; null equals null. O(n + rows that go)."""
    if gone.numbers is not None and pa.types.is_integer(cells[0].type):
        return gone.numbers.of(cells[0])
    if len(cells) == 1 and gone.rows.column(0).type == cells[0].type:
        return pc.is_in(cells[0], value_set=whole(gone.rows.column(0)))
    keys = wanted = None
    for column, values in zip(gone.rows.columns, cells, strict=True):
        theirs = whole(column)
        if theirs.type != values.type:
            theirs = pc.cast(theirs, values.type)
        known = pc.unique(theirs)
        mine, own = (pc.cast(pc.index_in(one, value_set=known), pa.int64()) for one in (values, theirs))
        if keys is None or wanted is None:
            keys, wanted = mine, own
            continue
        n = len(known)
        both = pc.unique(_paired(wanted, n, own))
        keys = pc.cast(pc.index_in(_paired(keys, n, mine), value_set=both), pa.int64())
        wanted = pc.cast(pc.index_in(_paired(wanted, n, own), value_set=both), pa.int64())
    if keys is None or wanted is None:
        raise SourceError("an equality delete names no column")
    # what is none of the values is null by now, and no row that goes is
    return pc.is_in(keys, value_set=pc.unique(wanted), skip_nulls=True)


def _paired(first: pa.Array, n: int, second: pa.Array) -> pa.Array:
    return pc.add(pc.multiply(first, n), second)

"""Schemas and bounds, the first two steps: the inventory as the arrays that kernels work on, and what they leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.tasks.containment.asked import InventoryParts
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.kernel.min_max import UNKNOWN, ColumnBounds, Form, MinMaxSurvey, survey
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64, SchemaGroups, group_schemas, schema_edges
from lakebed.tasks.containment.readings import FORM, STANDS_FOR, with_readings
from lakebed.tasks.containment.trust import BOUNDS, Untrusted, trusted
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.scan.splits import InventoryTables

MAX_TRIVIAL_PARENTS = 1_000


@dataclass(frozen=True)
class LakeStatistics:
    """The inventory as arrays.

    Attributes:
        names: of the tables, by table_id; those of readings, which come behind the tables, are no names of tables.
        tokens: of the columns, by token number.
        column_rows: row of the inventory's `columns` behind each entry of `bounds`.
        stands_for: (n_tables,) the table that each is or is a reading of (readings.py).
    """

    names: list[str]
    tokens: list[str]
    groups: SchemaGroups
    bounds: ColumnBounds
    column_rows: Int64
    stands_for: Int32

    @property
    def is_reading(self) -> NDArray[np.bool_]:
        """(n_tables,) whether it is but a reading of another table."""
        found: NDArray[np.bool_] = self.stands_for != np.arange(len(self.stands_for))
        return found

    def name_of(self, table: int) -> str:
        """The name of a table, or of the one that a reading is of."""
        return self.names[int(self.stands_for[table])]

    def compared_as_text(self, child: int, parent: int) -> list[str]:
        """The child's tokens that one of the two, a reading, has as text."""
        if not len(self.bounds.form):
            return []
        mine, theirs = self.columns_of(child), self.columns_of(parent)
        as_text = self.bounds.form[mine] == Form.TEXT
        read = self.bounds.token[theirs][self.bounds.form[theirs] == Form.TEXT]
        as_text |= np.isin(self.bounds.token[mine], read)
        return [self.tokens[token] for token in self.bounds.token[mine][as_text].tolist()]

    @property
    def n_rows(self) -> Int64:
        """Rows of each table."""
        return self.bounds.n_rows

    def projection_tokens(self, schema: int) -> list[str]:
        """The column tokens of a schema, in the order of their numbers."""
        return [self.tokens[token] for token in self.groups.schema_tokens(schema)]

    def columns_of(self, table: int) -> slice:
        """The entries of a table's columns."""
        return slice(int(self.bounds.indptr[table]), int(self.bounds.indptr[table + 1]))

    def entries(self, table: Int64, token: Int64) -> Int64:
        """The entry of each (table, token), -1 where there is none; shapes (k,)."""
        width = max(1, len(self.tokens))
        keys = np.repeat(np.arange(len(self.names)), np.diff(self.bounds.indptr)) * width + self.bounds.token
        wanted = table * width + token
        place = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
        found = keys[place] == wanted if len(keys) else np.zeros(len(wanted), np.bool_)
        return np.where(found, place, -1)


@dataclass(frozen=True)
class LakeView:
    """The inventory as arrays, and what schemas and bounds leave of its pairs.

    Attributes:
        schema_pairs: (child, parent) schemas whose tokens allow a containment.
        trivial: (child, parent) tables contained by definition.
        wrong: the columns whose statistics count for nothing.
        left_out: tables of which not all readings were taken, and how many more there are.
    """

    tables: InventoryTables
    lake: LakeStatistics
    schema_pairs: tuple[Int32, Int32]
    survey: MinMaxSurvey
    trivial: tuple[Int32, Int32]
    wrong: Untrusted
    left_out: Mapping[int, int] = field(default_factory=dict)


def view_lake(
    store: ArtifactStore, inventory: ArtifactRef, config: ContainmentConfig, wrong: Untrusted | None = None
) -> LakeView:
    """Schema graph and min-max pruning, from the inventory alone, without statistics that are wrong: reads no data."""
    parts, left_out = read_inventory(store, inventory, wrong or {}, strict_types=config.strict_types)
    extras = (parts.file_bounds, parts.partition_values)
    lake = load_statistics(parts.tables, parts.columns, parts.files, extras, strict_types=config.strict_types)
    pairs = schema_edges(lake.groups)
    found = survey(lake.groups, pairs, lake.bounds, is_bag=config.semantics == "bag", max_pairs=config.max_listed_pairs)
    return LakeView(
        InventoryTables(parts.tables, parts.columns, parts.files),
        lake,
        pairs,
        found,
        trivial_pairs(lake, pairs),
        wrong or {},
        left_out,
    )


def read_inventory(
    store: ArtifactStore, inventory: ArtifactRef, wrong: Untrusted, *, strict_types: bool
) -> tuple[InventoryParts, Mapping[int, int]]:
    """The inventory's tables without wrong statistics, and with readings, which strict types have none of.

    The second result: tables of which not all readings were taken, and how many more there are.

    Raises:
        ArtifactError: if one is missing or unreadable.
    """
    tables, columns, files = (store.read(inventory, name) for name in ("tables", "columns", "files"))
    columns, file_bounds = trusted(columns, store.read(inventory, "file_bounds"), wrong)
    parts = InventoryParts(tables, columns, files, file_bounds, store.read(inventory, "partition_values"))
    return (parts, {}) if strict_types else with_readings(parts, store.folder(inventory.stage, inventory.key), wrong)


def trivial_pairs(lake: LakeStatistics, schema_pairs: tuple[Int32, Int32]) -> tuple[Int32, Int32]:
    """Pairs that hold by definition: the child has no rows, or nothing but nulls. At most 1,000 parents a child."""
    children: list[int] = []
    parents: list[int] = []
    for child in np.flatnonzero(lake.bounds.trivial_tables() & ~lake.is_reading).tolist():
        containing = schema_pairs[1][schema_pairs[0] == lake.groups.schema_of_table[child]]
        tables = np.concatenate([lake.groups.schema_tables(schema) for schema in containing.tolist()])
        listed = np.sort(tables[(tables != child) & ~lake.is_reading[tables]])[:MAX_TRIVIAL_PARENTS]
        children += [child] * len(listed)
        parents += listed.tolist()
    return np.array(children, np.int32), np.array(parents, np.int32)


def load_statistics(
    tables: pa.Table, columns: pa.Table, files: pa.Table, extras: tuple[pa.Table, pa.Table], *, strict_types: bool
) -> LakeStatistics:
    """Reads the inventory's `tables`, `columns`, `files` and, as extras, `file_bounds` and `partition_values`."""
    tables = tables.sort_by("table_id")
    names = tables["name"].to_pylist()
    stands_for = tables[STANDS_FOR if STANDS_FOR in tables.column_names else "table_id"].to_numpy().astype(np.int32)
    form = columns[FORM].to_numpy() if FORM in columns.column_names else np.empty(0, np.int8)
    tokens = pc.array_sort_indices(pc.unique(columns["token"]))
    vocabulary = pc.unique(columns["token"]).take(tokens)
    token = pc.index_in(columns["token"], vocabulary).to_numpy().astype(np.int32)
    table = columns["table_id"].to_numpy()
    order = np.lexsort((token, table))
    indptr = _indptr(table, len(names))
    ranks = _Ranks(columns, *extras)
    kind = pc.dictionary_encode(_kinds(columns, strict_types=strict_types)).combine_chunks().indices
    bounds = ColumnBounds(
        indptr=indptr,
        token=token[order],
        kind=kind.to_numpy().astype(np.int32)[order],
        n_nulls=_filled(columns["n_nulls"])[order],
        n_rows=tables["n_rows"].to_numpy().astype(np.int64),
        bounds=np.stack([ranks.of(columns[name]) for name in BOUNDS], axis=1)[order],
        range_indptr=np.zeros(len(order) + 1, np.int64),
        ranges=np.empty((0, 2), np.int32),
        value_indptr=np.zeros(len(order) + 1, np.int64),
        values=np.empty(0, np.int32),
        form=form[order] if len(form) else form,
    )
    groups = group_schemas(indptr, bounds.token)
    plain = LakeStatistics(names, vocabulary.to_pylist(), groups, bounds, order, stands_for)
    return _with_extras(plain, vocabulary, files, extras, ranks)


def _kinds(columns: pa.Table, *, strict_types: bool) -> pa.ChunkedArray:
    """What columns of equal values share. A nested type's text has names that its values lack, so its class it is."""
    if not strict_types:
        return columns["type_class"]
    is_nested = pc.equal(columns["type_class"], "nested")
    return pc.if_else(is_nested, columns["type_class"], columns["type"])


class _Ranks:
    """Places of bounds in the sorted list of all bounds."""

    def __init__(self, columns: pa.Table, file_bounds: pa.Table, partition_values: pa.Table) -> None:
        chunks = [columns[name] for name in BOUNDS]
        chunks += [file_bounds["min_lower"], file_bounds["max_upper"], partition_values["value"]]
        distinct = pc.unique(pa.chunked_array([chunk for column in chunks for chunk in column.chunks], pa.binary()))
        distinct = distinct.drop_null()
        self._sorted = distinct.take(pc.array_sort_indices(distinct))

    def of(self, values: pa.ChunkedArray) -> Int32:
        """Rank of each value, -1 where it is null."""
        return _filled(pc.index_in(values, self._sorted)).astype(np.int32)


def _with_extras(
    lake: LakeStatistics, vocabulary: pa.Array, files: pa.Table, extras: tuple[pa.Table, pa.Table], ranks: _Ranks
) -> LakeStatistics:
    file_bounds, partition_values = extras
    range_indptr, ranges = _file_ranges(lake, vocabulary, files, file_bounds, ranks)
    value_indptr, values = _partition_values(lake, vocabulary, partition_values, ranks)
    bounds = replace(lake.bounds, range_indptr=range_indptr, ranges=ranges, value_indptr=value_indptr, values=values)
    return replace(lake, bounds=bounds)


def _file_ranges(
    lake: LakeStatistics, vocabulary: pa.Array, files: pa.Table, file_bounds: pa.Table, ranks: _Ranks
) -> tuple[Int64, Int32]:
    """Ranges of each column's files; none where some file of the table has rows of unknown range."""
    table = file_bounds["table_id"].to_numpy().astype(np.int64)
    token = pc.index_in(file_bounds["token"], vocabulary).to_numpy().astype(np.int64)
    entry = lake.entries(table, token)
    low, high = ranks.of(file_bounds["min_lower"]), ranks.of(file_bounds["max_upper"])
    has_range = (low >= 0) & (high >= 0)
    is_empty = _filled(file_bounds["n_nulls"]) == _rows_of_files(files, table, file_bounds["file_id"].to_numpy())
    n_files = np.bincount(files["table_id"].to_numpy(), minlength=len(lake.names))
    n_settled = np.bincount(entry[has_range | is_empty], minlength=len(lake.bounds.token))
    table_of_entry = np.repeat(np.arange(len(lake.names)), np.diff(lake.bounds.indptr))
    is_complete = n_settled == n_files[table_of_entry]
    kept = np.flatnonzero(has_range & is_complete[entry])
    kept = kept[np.argsort(entry[kept], kind="stable")]
    return _indptr(entry[kept], len(lake.bounds.token)), np.stack([low[kept], high[kept]], axis=1)


def _rows_of_files(files: pa.Table, table: Int64, file: Int64) -> Int64:
    """Rows of each (table, file), (k,)."""
    files = files.sort_by([("table_id", "ascending"), ("file_id", "ascending")])
    first = np.searchsorted(files["table_id"].to_numpy(), table)
    return files["n_rows"].to_numpy()[first + file]  # type: ignore[no-any-return]


def _partition_values(
    lake: LakeStatistics, vocabulary: pa.Array, partition_values: pa.Table, ranks: _Ranks
) -> tuple[Int64, Int32]:
    token = pc.index_in(partition_values["token"], vocabulary).to_numpy().astype(np.int64)
    entry = lake.entries(partition_values["table_id"].to_numpy().astype(np.int64), token)
    value = ranks.of(partition_values["value"])
    kept = np.flatnonzero(value >= 0)
    kept = kept[np.lexsort((value[kept], entry[kept]))]
    return _indptr(entry[kept], len(lake.bounds.token)), value[kept]


def _indptr(row_of_entry: NDArray[np.integer], n_rows: int) -> Int64:
    counts = np.bincount(row_of_entry, minlength=n_rows)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _filled(values: pa.ChunkedArray) -> Int64:
    numbers: Int64 = pc.fill_null(values, UNKNOWN).to_numpy().astype(np.int64)
    return numbers

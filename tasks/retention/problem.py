"""The artifacts of inventory and containment as a retention problem."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS, HUDI
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.hidden import DELTA_LOG
from lakebed.connectors.lake.model import FILE_FORMATS
from lakebed.connectors.storage import Storage
from lakebed.tasks.retention.accesses import table_accesses
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.keeper import Standing, lesser_by, preference, standing, told
from lakebed.tasks.retention.kernel.costs import ColumnSizes, TableCosts, bytes_read, rebuild_costs, table_costs
from lakebed.tasks.retention.kernel.model import Bool, Float64, Int64, RetentionGraph, retention_graph
from lakebed.tasks.retention.policy import attribute_groups, attributes_of, pin_reasons, rebuild_limits
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.scan.splits import InventoryTables

if TYPE_CHECKING:
    from lakebed.connectors.lake.iceberg.catalogs import Keepers

USABLE = ""
DATABASE = "database_table"
ICEBERG = "iceberg_table"
OTHER_FORMAT = "other_format"
# of tables that nothing is rebuilt from: why
_NO_PARENTS = {
    DATABASE: "it belongs to a database or catalog, which may change it at any time: nothing is rebuilt from it",
    OTHER_FORMAT: "its format is compared, but nothing is rebuilt from it",
}
_FORMAT_PINS = dict.fromkeys((*FILE_FORMATS, HUDI), OTHER_FORMAT)
LESSER = "lesser_keeper"
BY_DEFINITION = ("empty", "all-null")
_THREADS = 8


@dataclass(frozen=True)
class Tables:
    """The tables by table_id, which is their place.

    `pins` is the code of what pins a table, or empty; `limits` the seconds that a rebuild may take; `standings` what
    ranks each among its copies, `rank` the same as a permutation, for what costs the same; `signs` of Iceberg tables
    that stay what shows that a catalog keeps them.

    Shapes: n_rows, n_bytes, n_accesses, limits, rank (n,).
    """

    names: list[str]
    n_rows: Int64
    n_bytes: Int64
    n_accesses: Float64
    costs: TableCosts
    pins: list[str]
    limits: Float64
    rank: Int64
    n_unknown_in_log: int
    standings: Sequence[Standing] = ()
    signs: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Edges:
    """Proven containments, by child and parent.

    `status` is USABLE or why an edge is out, `reason` the same in words; `cost` a month's price of rebuilding over it,
    `seconds` one rebuild's time; `copies` are the edges between tables of the same rows and columns, coincidences
    left out; `lesser` says of each edge by what its parent ranks lower than its child, where that forbids it.

    Shapes: child, parent, cost, seconds (m,); copies (k,).
    """

    child: Int64
    parent: Int64
    cost: Float64
    seconds: Float64
    status: list[str]
    reason: list[str]
    certificates: list[str]
    semantics: list[str]
    copies: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    lesser: Sequence[str] = ()


@dataclass(frozen=True)
class Problem:
    """Tables and edges, and the inventory that they come from."""

    tables: Tables
    edges: Edges
    inventory: InventoryTables

    @property
    def is_usable(self) -> Bool:
        """(m,) whether nothing stands against an edge before its recipe is tried."""
        return np.array([status == USABLE for status in self.edges.status], np.bool_)

    def graph(self, edges: Int64, extra_cost: Float64 | None = None) -> RetentionGraph:
        """The graph over some edges, by number; their `number` in it is the place in `edges`."""
        cost = self.edges.cost if extra_cost is None else self.edges.cost + extra_cost
        parts = (self.edges.child[edges], self.edges.parent[edges], cost[edges])
        pinned = np.array([bool(pin) for pin in self.tables.pins], np.bool_)
        return retention_graph(self.tables.costs.total, pinned, parts, self.tables.rank)


def load_problem(
    store: ArtifactStore,
    refs: tuple[ArtifactRef, ArtifactRef],
    config: RetentionConfig,
    root: str = "",
    lake: LakeConfig | None = None,
) -> Problem:
    """Reads what is needed of inventory and containment, ranks and prices it.

    Args:
        store: of the artifacts.
        refs: of inventory and containment.
        config: prices, limits, policy.
        root: of the lake, where the logs of Delta tables are to be looked at; their first commits tell their age.
        lake: the lake, where its Iceberg tables and their catalogs are to be asked which may go; None: none may.

    Raises:
        ConfigError: if the access log cannot be read.
        ArtifactError: if an artifact is missing or damaged.
    """
    inventory, containment = refs
    tables = store.read(inventory, "tables").sort_by("table_id")
    read = InventoryTables(tables, store.read(inventory, "columns"), store.read(inventory, "files"))
    edges = store.read(containment, "edges").sort_by([("child_id", "ascending"), ("parent_id", "ascending")])
    return make_problem(read, edges, config, first_written(read, edges, root), catalog_signs(read, lake))


def make_problem(
    read: InventoryTables,
    edges: pa.Table,
    config: RetentionConfig,
    written: Sequence[int | None],
    signs: Mapping[int, str] | None = None,
) -> Problem:
    """The problem of an inventory and its containments; `written` is when each table was first written.

    `signs` are what `catalog_signs` gave.

    Raises:
        ConfigError: if the access log cannot be read.
    """
    priced = _tables(read, config, written, catalog_signs(read, None) if signs is None else signs)
    return Problem(priced, _edges(edges, priced, read, config), read)


def first_written(read: InventoryTables, edges: pa.Table, root: str) -> list[int | None]:
    """Nanoseconds since 1970 of each table's oldest file; of Delta tables that have an equal copy, of its log too.

    None where no file has a time. Cost: O(files), and a listing of the log of each such Delta table.
    """
    times = read.files.filter(pc.greater(read.files["mtime_ns"], 0)).group_by("table_id")
    found = dict(zip(*times.aggregate([("mtime_ns", "min")]).to_pydict().values(), strict=True))
    wanted = set(edges.filter(pa.array(_are_equal(edges)))["child_id"].to_pylist()) if root else set()
    tables = read.tables.select(["table_id", "format", "path"]).to_pylist()
    logs = [row for row in tables if row["format"] == "delta" and row["table_id"] in wanted]
    with ThreadPoolExecutor(_THREADS) as pool:
        oldest = pool.map(lambda row: _oldest_commit(root, row["path"]), logs)
        for row, time in zip(logs, oldest, strict=True):
            known = [one for one in (time, found.get(row["table_id"])) if one is not None]
            found |= {row["table_id"]: min(known)} if known else {}
    return [found.get(row["table_id"]) for row in tables]


def catalog_signs(read: InventoryTables, lake: LakeConfig | None) -> dict[int, str]:
    """What shows that a catalog may keep an Iceberg table of the lake's folder, by table_id: such tables stay.

    Cost: a listing of the metadata of each Iceberg table, and each catalog's of its tables.
    """
    tables = read.tables.select(["table_id", "format", "path", "name"]).to_pylist()
    wanted = [row for row in tables if row["format"] == "iceberg" and not row["path"].startswith("/")]
    if not wanted or lake is None:
        return {row["table_id"]: "its folder was not looked at" for row in wanted}
    from lakebed.connectors.lake.iceberg.catalogs import keepers_of

    keepers = keepers_of(lake.root, lake.iceberg)
    with ThreadPoolExecutor(_THREADS) as pool:
        signs = pool.map(lambda row: _catalog_sign(lake, keepers, row["name"], row["path"]), wanted)
        return {row["table_id"]: sign for row, sign in zip(wanted, signs, strict=True) if sign}


def _catalog_sign(lake: LakeConfig, keepers: "Keepers", name: str, path: str) -> str:
    from lakebed.connectors.lake.iceberg.kept import catalog_sign
    from lakebed.connectors.lake.iceberg.model import METADATA

    folder = "" if path == "." else path
    doubt = keepers.doubt(folder)
    if doubt or folder in keepers.tables or matches_any(name, lake.unmanaged):
        return doubt
    try:
        found = Storage.at(lake.root).list_files(f"{folder}/{METADATA}".lstrip("/"))
    except LakeError as error:
        return f"its metadata cannot be listed: {error.what}"
    return catalog_sign(folder, [file.path for file in found])


def _oldest_commit(root: str, path: str) -> int | None:
    """Time of the oldest file of a table's log; None where it cannot be listed, so that its data files alone tell."""
    try:
        files = Storage.at(root).list_files(f"{path}/{DELTA_LOG}".removeprefix("./"))
    except LakeError:
        return None
    return min((file.mtime_ns for file in files if file.mtime_ns > 0), default=None)


def _are_equal(edges: pa.Table) -> Bool:
    """(m,) whether child and parent hold the same rows and columns."""
    is_mutual = np.asarray(edges["is_mutual"].to_numpy(zero_copy_only=False), np.bool_)
    same_rows = edges["n_child_rows"].to_numpy() == edges["n_parent_rows"].to_numpy()
    return np.asarray(is_mutual & same_rows, np.bool_)


def _tables(
    read: InventoryTables, config: RetentionConfig, written: Sequence[int | None], signs: Mapping[int, str]
) -> Tables:
    names = read.tables["name"].to_pylist()
    n_bytes = read.tables["n_bytes"].to_numpy().astype(np.int64)
    accesses = table_accesses(names, config.accesses)
    outside = _outside(read.files)
    formats, paths = (read.tables[column].to_pylist() for column in ("format", "path"))
    external = [
        DATABASE if (format_ in EXTERNAL_FORMATS and format_ != HUDI) or path.startswith("/") else ""
        for format_, path in zip(formats, paths, strict=True)
    ]
    pins = [
        external[place]
        or pin
        or ("outside_lake" if place in outside else ICEBERG if place in signs else _FORMAT_PINS.get(formats[place], ""))
        for place, pin in enumerate(pin_reasons(names, config))
    ]
    facts = zip(names, formats, accesses.n_accesses.tolist(), written, strict=True)
    standings = [standing(name, format_, n, config, time) for name, format_, n, time in facts]
    return Tables(
        names=names,
        n_rows=read.tables["n_rows"].to_numpy().astype(np.int64),
        n_bytes=n_bytes,
        n_accesses=accesses.n_accesses,
        costs=table_costs(n_bytes, accesses.n_accesses, config.rewrites_per_month, config.prices, config.throughput),
        pins=pins,
        limits=rebuild_limits(names, config),
        rank=preference(standings, paths),
        n_unknown_in_log=accesses.n_unknown,
        standings=standings,
        signs=signs,
    )


def _outside(files: pa.Table) -> set[int]:
    """Tables with files that do not lie in the lake: what is not there cannot be moved or digested."""
    is_outside = pc.or_(pc.starts_with(files["path"], "/"), pc.match_substring(files["path"], "://"))
    return set(files.filter(is_outside)["table_id"].to_pylist())


def _edges(edges: pa.Table, tables: Tables, read: InventoryTables, config: RetentionConfig) -> Edges:
    child, parent = (edges[column].to_numpy().astype(np.int64) for column in ("child_id", "parent_id"))
    n_read = bytes_read(column_sizes(read), tables.n_bytes, child, parent)
    once = rebuild_costs(n_read, tables.n_bytes[child], config.prices, config.throughput)
    is_equal = _are_equal(edges)
    lesser = [
        lesser_reason(tables, mine, other, config, is_equal=same)
        for mine, other, same in zip(child.tolist(), parent.tolist(), is_equal.tolist(), strict=True)
    ]
    verdicts = _verdicts(edges, lesser, tables, once.seconds, config)
    is_chance = np.asarray(edges["coincidental"].to_numpy(zero_copy_only=False), np.bool_)
    is_chance &= not config.include_coincidental
    is_void = np.array([kind in BY_DEFINITION for kind in edges["coincidental_reason"].to_pylist()], np.bool_)
    return Edges(
        child=child,
        parent=parent,
        cost=tables.n_accesses[child] * once.price,
        seconds=once.seconds,
        status=[status for status, _ in verdicts],
        reason=[reason for _, reason in verdicts],
        certificates=edges["certificate"].to_pylist(),
        semantics=edges["semantics"].to_pylist(),
        copies=np.flatnonzero(is_equal & ~is_chance & ~is_void).astype(np.int64),
        lesser=lesser,
    )


def lesser_reason(tables: Tables, child: int, parent: int, config: RetentionConfig, *, is_equal: bool) -> str:
    """By what the parent ranks lower than the child; empty where it does not, or where that is allowed."""
    mine, other = tables.standings[child], tables.standings[parent]
    signal = "" if config.allow_lesser_keeper else lesser_by(other, mine, is_equal=is_equal)
    return f"it ranks lower by {told(signal, other, mine)}" if signal else ""


def _verdicts(
    edges: pa.Table, lesser: Sequence[str], tables: Tables, seconds: Float64, config: RetentionConfig
) -> list[tuple[str, str]]:
    """What stands against each edge, the first thing of several: (status, reason)."""
    groups = attribute_groups(tables.names, config)
    rows = zip(
        edges["child_id"].to_pylist(), edges["parent_id"].to_pylist(), lesser, seconds.tolist(),
        edges["coincidental"].to_pylist(), edges["coincidental_reason"].to_pylist(), edges["chance"].to_pylist(),
        strict=True,
    )  # fmt: skip
    verdicts = []
    for child, parent, lower, time, is_coincidental, kind, chance in rows:
        if kind in BY_DEFINITION:
            verdict = "by_definition", "a table without values is contained in any other"
        elif tables.pins[child] and not (tables.pins[child] == DATABASE and is_coincidental):
            verdict = "pinned", f"the table is pinned: {tables.pins[child]}"
        elif tables.pins[parent] in _NO_PARENTS:
            verdict = tables.pins[parent], _NO_PARENTS[tables.pins[parent]]
        elif is_coincidental and not config.include_coincidental:
            verdict = "coincidental", f"called a coincidence, its chance is {chance:.2g}"
        elif groups[child] != groups[parent]:
            verdict = "attributes", _difference(tables.names[child], tables.names[parent], config)
        elif lower:
            verdict = LESSER, lower
        elif time > tables.limits[child]:
            verdict = "latency", f"a rebuild takes about {time:,.0f} s, {tables.limits[child]:,.0f} s are allowed"
        else:
            verdict = USABLE, ""
        verdicts.append(verdict)
    return verdicts


def _difference(child: str, parent: str, config: RetentionConfig) -> str:
    mine, other = (attributes_of(name, config).model_dump() for name in (child, parent))
    differing = [key for key in mine if mine[key] != other[key]]
    return "; ".join(f"{key} is {mine[key]!r}, the parent's {other[key]!r}" for key in differing)


def column_sizes(read: InventoryTables) -> ColumnSizes:
    """The bytes of each column. Text is read as a whole, and so is what only Spark can read, for all that is known."""
    columns = read.columns
    tokens = pc.dictionary_encode(columns["token"].combine_chunks()).indices.to_numpy().astype(np.int64)
    table = columns["table_id"].to_numpy().astype(np.int64)
    n_bytes = pc.fill_null(columns["n_bytes"], -1).to_numpy().astype(np.int64)
    n_bytes = np.where(np.asarray(columns["is_partition"].to_numpy(zero_copy_only=False), np.bool_), 0, n_bytes)
    order = np.lexsort((tokens, table))
    is_whole = np.array([via != "arrow" for via in read.tables["read_via"].to_pylist()], np.bool_)
    return ColumnSizes(table[order], tokens[order], n_bytes[order], is_whole)

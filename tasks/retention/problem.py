"""The artifacts of inventory and containment as a retention problem."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.databases import EXTERNAL_FORMATS
from lakebed.tasks.inventory.splits import InventoryTables
from lakebed.tasks.retention.accesses import table_accesses
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.kernel.costs import ColumnSizes, TableCosts, bytes_read, rebuild_costs, table_costs
from lakebed.tasks.retention.kernel.model import Bool, Float64, Int64, RetentionGraph, retention_graph
from lakebed.tasks.retention.policy import attribute_groups, attributes_of, pin_reasons, preference, rebuild_limits
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

USABLE = ""
DATABASE = "database_table"
BY_DEFINITION = ("empty", "all-null")


@dataclass(frozen=True)
class Tables:
    """The tables by table_id, which is their place.

    `pins` is the code of what pins a table, or empty; `needs_seconds` the limit of a rebuild.

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


@dataclass(frozen=True)
class Edges:
    """Proven containments, by child and parent.

    `status` is USABLE or why an edge is out, `reason` the same in words; `cost` a month's price of rebuilding over it,
    `seconds` one rebuild's time.

    Shapes: child, parent, cost, seconds (m,).
    """

    child: Int64
    parent: Int64
    cost: Float64
    seconds: Float64
    status: list[str]
    reason: list[str]
    certificates: list[str]
    semantics: list[str]


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


def load_problem(store: ArtifactStore, refs: tuple[ArtifactRef, ArtifactRef], config: RetentionConfig) -> Problem:
    """Reads what is needed of inventory and containment, and prices it.

    Raises:
        ConfigError: if the access log cannot be read.
        ArtifactError: if an artifact is missing or damaged.
    """
    inventory, containment = refs
    tables = store.read(inventory, "tables").sort_by("table_id")
    read = InventoryTables(tables, store.read(inventory, "columns"), store.read(inventory, "files"))
    edges = store.read(containment, "edges").sort_by([("child_id", "ascending"), ("parent_id", "ascending")])
    priced = _tables(read, config)
    return Problem(priced, _edges(edges, priced, read, config), read)


def _tables(read: InventoryTables, config: RetentionConfig) -> Tables:
    names = read.tables["name"].to_pylist()
    n_bytes = read.tables["n_bytes"].to_numpy().astype(np.int64)
    accesses = table_accesses(names, config.accesses)
    outside = _outside(read.files)
    formats, paths = (read.tables[column].to_pylist() for column in ("format", "path"))
    external = [
        DATABASE if format_ in EXTERNAL_FORMATS or path.startswith("/") else ""
        for format_, path in zip(formats, paths, strict=True)
    ]
    pins = [
        external[place] or pin or ("outside_lake" if place in outside else "")
        for place, pin in enumerate(pin_reasons(names, config))
    ]
    return Tables(
        names=names,
        n_rows=read.tables["n_rows"].to_numpy().astype(np.int64),
        n_bytes=n_bytes,
        n_accesses=accesses.n_accesses,
        costs=table_costs(n_bytes, accesses.n_accesses, config.rewrites_per_month, config.prices, config.throughput),
        pins=pins,
        limits=rebuild_limits(names, config),
        rank=preference(names, formats, paths, accesses.n_accesses),
        n_unknown_in_log=accesses.n_unknown,
    )


def _outside(files: pa.Table) -> set[int]:
    """Tables with files that do not lie in the lake: what is not there cannot be moved or digested."""
    is_outside = pc.or_(pc.starts_with(files["path"], "/"), pc.match_substring(files["path"], "://"))
    return set(files.filter(is_outside)["table_id"].to_pylist())


def _edges(edges: pa.Table, tables: Tables, read: InventoryTables, config: RetentionConfig) -> Edges:
    child, parent = (edges[column].to_numpy().astype(np.int64) for column in ("child_id", "parent_id"))
    n_read = bytes_read(column_sizes(read), tables.n_bytes, child, parent)
    once = rebuild_costs(n_read, tables.n_bytes[child], config.prices, config.throughput)
    verdicts = _verdicts(edges, (child, parent), tables, once.seconds, config)
    return Edges(
        child=child,
        parent=parent,
        cost=tables.n_accesses[child] * once.price,
        seconds=once.seconds,
        status=[status for status, _ in verdicts],
        reason=[reason for _, reason in verdicts],
        certificates=edges["certificate"].to_pylist(),
        semantics=edges["semantics"].to_pylist(),
    )


def _verdicts(
    edges: pa.Table, ends: tuple[Int64, Int64], tables: Tables, seconds: Float64, config: RetentionConfig
) -> list[tuple[str, str]]:
    """What stands against each edge, the first thing of several: (status, reason)."""
    groups = attribute_groups(tables.names, config)
    rows = zip(
        ends[0].tolist(), ends[1].tolist(), seconds.tolist(), edges["coincidental"].to_pylist(),
        edges["coincidental_reason"].to_pylist(), edges["chance"].to_pylist(), strict=True,
    )  # fmt: skip
    verdicts = []
    for child, parent, time, is_coincidental, kind, chance in rows:
        if kind in BY_DEFINITION:
            verdict = "by_definition", "a table without values is contained in any other"
        elif tables.pins[child] and not (tables.pins[child] == DATABASE and is_coincidental):
            verdict = "pinned", f"the table is pinned: {tables.pins[child]}"
        elif tables.pins[parent] == DATABASE:
            verdict = (
                DATABASE,
                "it belongs to a database or catalog, which may change it at any time: nothing is rebuilt from it",
            )
        elif is_coincidental and not config.include_coincidental:
            verdict = "coincidental", f"called a coincidence, its chance is {chance:.2g}"
        elif groups[child] != groups[parent]:
            verdict = "attributes", _difference(tables.names[child], tables.names[parent], config)
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

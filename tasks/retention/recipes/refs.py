"""References to tables: from the inventory, or from the files as they lie there now."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.discovery import Discovery, discover
from lakebed.connectors.lake.listing import list_lake, list_table
from lakebed.connectors.lake.parquet import read_footers
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.tasks.inventory.kernel import TableFacts, describe_tables, unify_schema
from lakebed.tasks.inventory.metadata import read_metadata, type_overrides, with_partitions
from lakebed.tasks.inventory.text import text_facts
from lakebed.tasks.retention.recipes.model import FileRef, LeafRef, TableRef

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from lakebed.connectors.lake.config import LakeConfig
    from lakebed.connectors.lake.listing import Listing
    from lakebed.connectors.lake.model import TableSource
    from lakebed.tasks.scan.splits import InventoryTables

_VIA = {"arrow": "arrow", "spark": "spark", "staged": "text", "iceberg": "iceberg"}
Row = dict[str, object]


def table_refs(inventory: InventoryTables, names: Collection[str]) -> dict[str, TableRef]:
    """The named tables of an inventory; schema, digests and dialect are still missing (`describe` fills them).

    Args:
        inventory: its tables, columns and files.
        names: of tables that it has.
    """
    tables = inventory.tables.filter(pc.is_in(inventory.tables["name"], value_set=pa.array(list(names), pa.string())))
    ids = tables["table_id"].combine_chunks()
    columns = _by_table(inventory.columns.filter(pc.is_in(inventory.columns["table_id"], value_set=ids)), "position")
    files = _by_table(inventory.files.filter(pc.is_in(inventory.files["table_id"], value_set=ids)), "file_id")
    return {
        row["name"]: _ref(row, columns.get(row["table_id"], []), files.get(row["table_id"], []))
        for row in tables.to_pylist()
    }


def observe(lake: LakeConfig, name: str) -> TableRef:
    """The table of this name as it lies in the lake now, read from its files and nothing else.

    Raises:
        PlanError: if there is no such table, or it cannot be read.
    """
    listing = list_lake(lake.model_copy(update={"paranoid": False}))
    found = discover(listing, lake)
    source = next((table for table in reversed(found.every) if table.name == name), None)
    return _observed(lake, listing, source, name)


def observe_again(lake: LakeConfig, ref: TableRef) -> TableRef:
    """The same of a table whose path is known; nothing else of the lake is listed.

    Raises: as `observe`.
    """
    listing = list_table(lake, ref.path)
    path = "" if ref.path == "." else ref.path
    tables = discover(listing, lake).tables
    source = next((table for table in tables if table.path == path and table.format == ref.format), None)
    return _observed(lake, listing, source and replace(source, name=ref.name), ref.name)


def _observed(lake: LakeConfig, listing: Listing, source: TableSource | None, name: str) -> TableRef:
    if source is None:
        raise PlanError(
            "the table is not there", value=name, expected=f"a table below {lake.root}", hint="lakebed plan"
        )
    rows = describe_tables([_facts(lake, listing, source)])
    return _ref(rows.tables[0], rows.columns, rows.files)


def _facts(lake: LakeConfig, listing: Listing, source: TableSource) -> TableFacts:
    if source.format in ("csv", "json"):
        return _text_facts(lake, listing.root, source)
    alone = Discovery((source,), ())
    facts = read_metadata(
        listing, alone, lake, partial(read_footers, listing.root, ignore_case=lake.ignore_column_case)
    )
    if source.name not in facts.tables:
        bad = next((one for one in facts.unreadable if one.name == source.name), None)
        raise PlanError("the table cannot be read", value=f"{source.name}: {bad.reason if bad else 'unknown'}")
    return facts.tables[source.name]


def _text_facts(lake: LakeConfig, root: str, source: TableSource) -> TableFacts:
    overrides = type_overrides(source.name, lake)
    with tempfile.TemporaryDirectory() as folder:
        scans = [
            scan_text_file(root, entry.path, source.format, f"{folder}/{number}.parquet", lake.text, overrides)  # type: ignore[arg-type]
            for number, entry in enumerate(source.files)
        ]
    facts = text_facts(scans, ["" for _ in scans], [([], []) for _ in scans])
    table = TableFacts(source, facts, "staged")
    if source.partition_columns:
        table = with_partitions(table, lake)
    unify_schema(table)
    return table


def _by_table(rows: pa.Table, order: str) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = {}
    for row in rows.sort_by([("table_id", "ascending"), (order, "ascending")]).to_pylist():
        grouped.setdefault(row["table_id"], []).append(row)
    return grouped


def _ref(table: Row, columns: Sequence[Row], files: Iterable[Row]) -> TableRef:
    return TableRef.model_validate(
        {
            "name": table["name"],
            "path": table["path"],
            "format": table["format"],
            "read_via": _VIA[str(table["read_via"])],
            "delta_version": table["delta_version"],
            "files": [_file_ref(row) for row in files],
            "leaves": [
                LeafRef(
                    token=str(row["token"]),
                    type=str(row["type"]),
                    is_nullable=True,
                    is_partition=bool(row["is_partition"]),
                )
                for row in columns
            ],
            "partition_columns": table["partition_columns"],
        }
    )


def _file_ref(row: Mapping[str, object]) -> FileRef:
    return FileRef.model_validate(
        {
            "path": row["path"],
            "size": row["size"],
            "n_rows": row["n_rows"],
            "partition_values": list(json.loads(str(row["partition_values"])).items()),
            "casts": list(json.loads(str(row["casts"])).items()),
        }
    )

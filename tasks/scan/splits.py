"""Splits of the inventory's tables: the units in which later stages read the lake.

Which splits a table has depends on its files and on the wanted size only, never on how many tasks share the
work, so that what is computed of a split is the same everywhere.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import Split
from lakebed.connectors.lake.change import has_changed
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS
from lakebed.connectors.lake.iceberg.model import READING
from lakebed.connectors.lake.model import FileEntry
from lakebed.connectors.storage import Storage

TASKS_PER_WORKER = 3


class FileRow(TypedDict):
    """A row of the inventory's `files`, as far as splits need it."""

    table_id: int
    path: str
    size: int
    n_rows: int
    row_group_rows: list[int]
    row_group_bytes: list[int]
    partition_values: str
    staged_path: str | None
    casts: str


@dataclass(frozen=True)
class InventoryTables:
    """The tables of the inventory artifact that name what there is to read."""

    tables: pa.Table
    columns: pa.Table
    files: pa.Table

    def files_in_lake(self, table_ids: Sequence[int]) -> pa.Table:
        """The files of the given tables that lie in the lake's folder; a database's rows are in their copies alone."""
        is_external = pc.is_in(self.tables["format"], value_set=pa.array(EXTERNAL_FORMATS))
        external = set(self.tables.filter(is_external)["table_id"].to_pylist())
        wanted = [table for table in table_ids if table not in external]
        return self.files.filter(pc.is_in(self.files["table_id"], value_set=pa.array(wanted, pa.int32())))

    def changed_since(self, root: str, table_ids: Sequence[int]) -> dict[int, str]:
        """Of the given tables those whose files are no longer what was listed, each with the reason.

        Raises:
            SourceError: if the lake cannot be looked at.
        """
        changed: dict[int, str] = {}
        now_of = Storage.at(root, SourceError).stats()
        listed = self.files_in_lake(table_ids).select(["table_id", "path", "size", "mtime_ns", "etag"])
        for table, *facts in zip(*listed.to_pydict().values(), strict=True):
            file = FileEntry(*facts)
            if has_changed(file, now_of(file.path)):
                changed.setdefault(table, f"{file.path} changed while the run read it")
        return changed


def require_read(unread: Mapping[int, str], names: Sequence[str]) -> None:
    """Refuses tables that could not be read as they were listed, under `lake.strict`.

    Args:
        unread: the reason by table_id.
        names: of the tables, by table_id.

    Raises:
        SourceError: if there is one.
    """
    if unread:
        raise SourceError(
            f"{len(unread)} tables could not be read as they were listed",
            expected="files that are whole and do not change while the run reads them",
            hint="run again, or without --strict to list them and go on",
            examples=[f"{names[table]}: {reason}" for table, reason in sorted(unread.items())],
        )


def plan_splits(inventory: InventoryTables, table_ids: Sequence[int], target_bytes: int) -> list[Split]:
    """The splits of the given tables, but for those that only Spark can read; ordered by table and file.

    Those of Delta tables whose files cannot be read as they lie name the table's version. A file is cut between row
    groups, so that a split reads about `target_bytes` of column data; a file of unknown row groups is one split.
    """
    left = sorted(set(table_ids) - spark_only(inventory))
    wanted = pc.is_in(inventory.files["table_id"], value_set=pa.array(left, pa.int32()))
    files = inventory.files.filter(wanted).sort_by([("table_id", "ascending"), ("file_id", "ascending")])
    versions = _versions(inventory.tables)
    types = _column_types(inventory.columns, files)
    splits = (
        split
        for file in files.to_pylist()
        for split in _file_splits(file, types.get(file["table_id"], []), target_bytes)
    )
    plain = set(inventory.tables.filter(pc.equal(inventory.tables["read_via"], "arrow"))["table_id"].to_pylist())
    splits = (replace(split, iceberg=None) if split.iceberg and split.table_id in plain else split for split in splits)
    return [replace(split, split_id=number, **versions.get(split.table_id, {})) for number, split in enumerate(splits)]


def spark_only(inventory: InventoryTables) -> set[int]:
    """The tables that only Spark can read: Delta tables with files that do not lie in the lake."""
    paths = inventory.files["path"]
    is_outside = pc.or_(pc.starts_with(paths, "/"), pc.match_substring(paths, "://"))
    is_delta = inventory.tables.filter(pc.equal(inventory.tables["read_via"], "spark"))["table_id"]
    return set(inventory.files.filter(is_outside)["table_id"].to_pylist()) & set(is_delta.to_pylist())


def _versions(tables: pa.Table) -> dict[int, dict[str, Any]]:
    """What splits of Delta tables that cannot be read as they lie have besides, by table."""
    through_log = tables.filter(pc.equal(tables["read_via"], "spark")).select(["table_id", "path", "delta_version"])
    return {
        table: {"delta": (path, version)}
        for table, path, version in zip(*through_log.to_pydict().values(), strict=True)
    }


def share_splits(splits: Sequence[Split], n_workers: int, target_bytes: int) -> list[list[Split]]:
    """The splits as tasks: several per worker, each of about `target_bytes` at most."""
    n_bytes = sum(split.n_bytes for split in splits)
    return pack_splits(splits, max(n_workers * TASKS_PER_WORKER, -(-n_bytes // target_bytes)))


def pack_splits(splits: Sequence[Split], n_tasks: int) -> list[list[Split]]:
    """Shares the splits out by bytes, the largest first, each to the task with the least; no task is empty."""
    load = np.zeros(min(n_tasks, len(splits)), np.int64)
    tasks: list[list[Split]] = [[] for _ in load]
    for split in sorted(splits, key=lambda split: (-split.n_bytes, split.split_id)):
        task = int(load.argmin())
        load[task] += split.n_bytes + 4096  # opening a file has a cost of its own
        tasks[task].append(split)
    return [sorted(task, key=lambda split: split.split_id) for task in tasks]


def _column_types(columns: pa.Table, files: pa.Table) -> dict[int, list[tuple[str, str]]]:
    """(token, type) of each column of the tables whose splits need to know types: the partitioned ones."""
    is_partitioned = pc.not_equal(files["partition_values"], "{}")
    tables = pc.unique(files.filter(is_partitioned)["table_id"])
    chosen = columns.filter(pc.is_in(columns["table_id"], value_set=tables)).select(["table_id", "token", "type"])
    types: dict[int, list[tuple[str, str]]] = {}
    for row in chosen.to_pylist():
        types.setdefault(row["table_id"], []).append((row["token"], row["type"]))
    return types


def _file_splits(file: FileRow, columns: list[tuple[str, str]], target_bytes: int) -> Iterator[Split]:
    staged = file["staged_path"]
    casts: dict[str, str] = json.loads(file["casts"])
    iceberg = casts.pop(READING, None)
    values: dict[str, str | None] = json.loads(file["partition_values"])
    for row_groups, n_rows, n_bytes in _runs(file, target_bytes):
        yield Split(
            table_id=file["table_id"],
            split_id=0,
            path=staged or file["path"],
            format="staged" if staged else "parquet",
            row_groups=row_groups,
            partition_values=tuple((token, values[token], type_) for token, type_ in columns if token in values),
            casts=tuple(casts.items()),
            n_rows=n_rows,
            n_bytes=n_bytes,
            iceberg=iceberg,
        )


def _runs(file: FileRow, target_bytes: int) -> Iterator[tuple[tuple[int, ...] | None, int, int]]:
    """Row groups of each split with their rows and bytes; None stands for the whole file."""
    rows, sizes = file["row_group_rows"], file["row_group_bytes"]
    if not rows or sum(sizes) <= target_bytes:
        yield None, file["n_rows"], sum(sizes) if sizes else file["size"]
        return
    run: list[int] = []
    for group, size in enumerate(sizes):
        if run and sum(sizes[i] for i in run) + size > target_bytes:
            yield tuple(run), sum(rows[i] for i in run), sum(sizes[i] for i in run)
            run = []
        run.append(group)
    yield tuple(run), sum(rows[i] for i in run), sum(sizes[i] for i in run)

"""The naive baseline: tables whose data files are, byte for byte, those of another table."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS
from lakebed.connectors.lake.model import BOOK_FORMATS
from lakebed.tasks.retention.contract import BASELINE
from lakebed.tasks.retention.identity import file_sha256
from lakebed.tasks.retention.previous import Known
from lakebed.tasks.retention.problem import Problem

_THREADS = 4


@dataclass(frozen=True)
class Duplicates:
    """Groups of byte-identical tables by table_id, what was read to find them, and tables not compared for size."""

    groups: tuple[tuple[int, ...], ...]
    bytes_read: int
    n_skipped: int


@dataclass(frozen=True)
class _File:
    path: str
    size: int
    sha256: str


def find_duplicates(problem: Problem, root: str, max_bytes: int, known: Known) -> Duplicates:
    """Compares tables of the same format and file sizes by the SHA-256 of their files, the smallest first.

    Files that cannot be read make their table unlike any other. Cost: O(files log files), and one read of those files
    that share their sizes with another table's, up to `max_bytes`; files that are `known` are not read.
    """
    files = _files(problem)
    formats = _formats(problem, files)
    by_sizes: dict[tuple[str, tuple[int, ...]], list[int]] = defaultdict(list)
    for table, own in files.items():
        if formats[table] in EXTERNAL_FORMATS:
            continue
        by_sizes[formats[table], tuple(sorted(file.size for file in own))].append(table)
    candidates = sorted((sum(sizes), tables) for (_, sizes), tables in by_sizes.items() if len(tables) > 1)
    chosen, n_bytes, n_skipped = [], 0, 0
    for size, tables in candidates:
        is_read = n_bytes + size * len(tables) <= max_bytes
        n_bytes, n_skipped = (
            (n_bytes + size * len(tables), n_skipped) if is_read else (n_bytes, n_skipped + len(tables))
        )
        chosen += tables if is_read else []
    groups, n_read = _group_by_content(formats, {table: files[table] for table in chosen}, root, known)
    return Duplicates(groups, n_read, n_skipped)


def baseline_table(problem: Problem, duplicates: Duplicates) -> pa.Table:
    """The BASELINE table: of each group the first in rank stays, and what is pinned."""
    tables, rows = problem.tables, []
    spared = tables.costs.storage + tables.costs.maintenance
    for number, group in enumerate(duplicates.groups):
        stays = min(group, key=lambda table: (not tables.pins[table], tables.rank[table]))
        for table in group:
            is_kept = table == stays or bool(tables.pins[table])
            saving = 0.0 if is_kept else float(spared[table])
            facts = (number, table, tables.names[table], is_kept, int(tables.n_bytes[table]), saving)
            rows.append(dict(zip(BASELINE.names, facts, strict=True)))
    return BASELINE.table(sorted(rows, key=lambda row: row["table_id"]))


def _files(problem: Problem) -> Mapping[int, list[_File]]:
    columns = problem.inventory.files.select(["table_id", "path", "size", "sha256"]).to_pydict()
    found: dict[int, list[_File]] = defaultdict(list)
    for table, path, size, sha256 in zip(*columns.values(), strict=True):
        found[table].append(_File(path, size, sha256))
    return found


def _formats(problem: Problem, files: Mapping[int, Sequence[_File]]) -> list[str]:
    """The format of each table; of one of several in a file with its place there, which a file's digest says not."""
    formats, paths = (problem.inventory.tables[name].to_pylist() for name in ("format", "path"))
    rows = enumerate(zip(formats, paths, strict=True))
    return [
        format_ + path.removeprefix(files[table][0].path) if format_ in BOOK_FORMATS else format_
        for table, (format_, path) in rows
    ]


def _group_by_content(
    formats: Sequence[str], files: Mapping[int, Sequence[_File]], root: str, known: Known
) -> tuple[tuple[tuple[int, ...], ...], int]:
    with ThreadPoolExecutor(_THREADS) as pool:
        wanted = [file for own in files.values() for file in own]
        found = list(pool.map(lambda file: known.digest(file.path, file.size, lambda: _digest(root, file)), wanted))
    digests = {file.path: digest for file, (digest, _) in zip(wanted, found, strict=True)}
    by_content: dict[str, list[int]] = defaultdict(list)
    for table, own in files.items():
        content = repr((formats[table], sorted(digests[file.path] for file in own)))
        by_content[hashlib.sha256(content.encode()).hexdigest()].append(table)
    groups = sorted(tuple(sorted(tables)) for tables in by_content.values() if len(tables) > 1)
    return tuple(groups), sum(n_bytes for _, n_bytes in found)


def _digest(root: str, file: _File) -> str:
    try:
        return file.sha256 or file_sha256(root, file.path)
    except LakeError:
        return f"unreadable {file.path}"

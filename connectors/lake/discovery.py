"""What of a lake's files is a table.

In this order: a folder with a Delta log; the folder of a streaming sink; what the globs group or split; a folder of
Hive partitions (`k=v/`); the `part-*` files of a folder, a table for each format; a folder all of whose files of a
format are called as a writer numbers its parts (`part.0`, `data_0`, `00000000`), where their columns agree; every other
file by itself. What lies in a managed table (see `managed`) is not listed in the first place.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.listing import Listing, table_of_log
from lakebed.connectors.lake.managed import NAMES, folders_above
from lakebed.connectors.lake.model import FileEntry, TableFormat, TableSource, Unreadable

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_ENDINGS: dict[str, TableFormat] = {
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv",
    ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
Groups = dict[tuple[str, TableFormat], list[FileEntry]]
# Dask, Polars, DuckDB (a file for each thread), Trino and Athena, pyarrow with a name of its own
_PARTS = (
    re.compile(r"part[._](?P<n>\d+)"),
    re.compile(r"(?P<n>0\d{3,})"),
    re.compile(r"data_(?P<n>\d+)"),
    re.compile(r"\d{8}_\d{6}_\d{5}_[0-9a-z]{5}_[0-9a-f]{8}-[0-9a-f-]{27}"),
    re.compile(r"[0-9a-f]{32}-(?P<n>\d+)"),
)
_TEXT_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class Discovery:
    """The tables of a lake by name, folders that look like tables but cannot be read as one, and files of no kind."""

    tables: tuple[TableSource, ...]
    unreadable: tuple[Unreadable, ...]
    others: tuple[FileEntry, ...] = ()

    @property
    def every(self) -> tuple[TableSource, ...]:
        """The tables, behind the files of those that are one by their names alone, which may be tables themselves."""
        return (*(one for table in self.tables if table.is_guess for one in apart(table)), *self.tables)


def discover(listing: Listing, config: LakeConfig) -> Discovery:
    """Finds the tables among the listed files. Cost: O(files · depth)."""
    # what begins with a slash belongs to a catalog, which names its tables itself
    deltas = {table_of_log(entry.path) for entry in listing.logs if not entry.path.startswith("/")}
    deltas = {folder for folder in deltas if not _is_inside(folder, deltas)}
    groups: dict[tuple[str, TableFormat], list[FileEntry]] = defaultdict(list)
    delta_files: dict[str, list[FileEntry]] = {folder: [] for folder in deltas}
    others = []
    for entry in listing.files:
        delta = next((folder for folder in folders_above(entry.path) if folder in deltas), None)
        format_ = format_of(entry.path)
        if delta is not None:
            delta_files[delta].append(entry)
        elif format_ is None:
            others.append(entry)
        else:
            groups[_table_path(entry.path, config, listing.sinks), format_].append(entry)
    numbered = _join_numbered(groups, config)
    shared = _shared(deltas, listing.problems)
    tables = [TableSource("", "delta", tuple(f), folder) for folder, f in delta_files.items() if folder not in shared]
    tables += [
        TableSource("", format_, _with_rows(files, format_), path, is_guess=(path, format_) in numbered)
        for (path, format_), files in groups.items()
    ]
    found = _with_partitions(_named(tables))
    return replace(found, unreadable=(*found.unreadable, *shared.values()), others=tuple(others))


def _with_rows(files: Sequence[FileEntry], format_: TableFormat) -> tuple[FileEntry, ...]:
    """The files of a table without parts of no bytes, which writers of text leave, unless there is nothing else."""
    return tuple(entry for entry in files if entry.size or format_ == "parquet") or tuple(files)


def _join_numbered(groups: Groups, config: LakeConfig) -> set[tuple[str, TableFormat]]:
    """Makes one table of a folder's files that are numbered parts; the keys of these tables."""
    folders: dict[tuple[str, TableFormat], list[tuple[str, TableFormat]]] = defaultdict(list)
    for path, format_ in groups:
        if groups[path, format_][0].path == path:
            folders[path.rpartition("/")[0], format_].append((path, format_))
    joined = set()
    for (folder, format_), keys in folders.items():
        names = [_split_ending(path)[0].rpartition("/")[2] for path, _ in keys]
        is_free = (folder, format_) not in groups and not (folder and matches_any(folder, config.split))
        if folder and len(keys) > 1 and is_free and _are_parts(names):
            files = [entry for key in keys for entry in groups.pop(key)]
            groups[folder, format_] = sorted(files, key=lambda entry: entry.path)
            joined.add((folder, format_))
    return joined


def _are_parts(names: Sequence[str]) -> bool:
    """Whether names are what one writer gives the parts of a table."""
    for pattern in _PARTS:
        matches = [pattern.fullmatch(name) for name in names]
        if all(matches):
            numbers = [match["n"] for match in matches if match and "n" in match.groupdict()]
            return not numbers or sorted(map(int, numbers)) == list(range(len(numbers)))
    return False


def format_of(path: str) -> TableFormat | None:
    """The format that a file's ending tells, or None."""
    ending = _split_ending(path)[1].lower()
    return _ENDINGS.get(next((ending.removesuffix(one) for one in _TEXT_COMPRESSIONS if ending.endswith(one)), ending))


def partition_of(path: str, table_path: str) -> tuple[tuple[str, str | None], ...]:
    """The partition columns and values in the folders between a table and one of its files, unescaped."""
    below = path[len(table_path) :].strip("/") if table_path else path
    return tuple(_partition(folder) for folder in below.split("/")[:-1] if "=" in folder)


def _partition(folder: str) -> tuple[str, str | None]:
    key, _, value = folder.partition("=")
    return unquote(key), None if value == NULL_PARTITION else unquote(value)


def _shared(deltas: Iterable[str], problems: Sequence[Unreadable]) -> dict[str, Unreadable]:
    """The Delta tables in whose folder another system keeps a table: moving the one would move the other."""
    managed = [problem for problem in problems if problem.format in NAMES and problem.name != "."]
    found = {}
    for folder in deltas if managed else ():
        prefix = f"{folder}/" if folder else ""
        if inner := next((one for one in managed if one.name.startswith(prefix)), None):
            reason = f"another table lies in its folder: {inner.name}, kept by {NAMES[inner.format]}"
            found[folder] = Unreadable(folder or ".", "delta", reason, "give each table a folder of its own")
    return found


def _is_inside(folder: str, others: set[str]) -> bool:
    """Whether a Delta table's folder lies in another one, which then owns it."""
    return folder != "" and any(above in others for above in folders_above(folder))


def _table_path(path: str, config: LakeConfig, sinks: Collection[str]) -> str:
    """The path of the table that a file belongs to: the file itself, or a folder above it."""
    folder, _, name = path.rpartition("/")
    folders = list(folders_above(path))
    for above in folders if sinks else ():
        if above in sinks:
            return above
    for above in folders[1:]:
        if matches_any(above, config.group):
            return above
    if folder and matches_any(folder, config.split):
        return path
    base = folder.split("/") if folder else []
    while base and "=" in base[-1] and not base[-1].startswith("="):
        base.pop()
    if len(base) < len(folder.split("/") if folder else []) or name.startswith("part-"):
        return "/".join(base)
    return path


def _named(tables: Sequence[TableSource]) -> list[TableSource]:
    """Gives each table its name; where names collide the endings stay, and between folders the format is added."""
    n_twins = Counter(table.path for table in tables)
    longs = [_long_name(table, n_twins[table.path] > 1) for table in tables]
    names = [_short_name(table) for table in tables]
    while clashing := {name for name, n in Counter(names).items() if n > 1}:
        longer = [long if name in clashing else name for name, long in zip(names, longs, strict=True)]
        if longer == names:
            longs = [f"{long}/.{table.format}" for long, table in zip(longs, tables, strict=True)]
        names = longer
    return sorted(
        (replace(table, name=name) for table, name in zip(tables, names, strict=True)), key=lambda table: table.name
    )


def _short_name(table: TableSource) -> str:
    if _is_single_file(table):
        return _split_ending(table.path)[0]
    return table.path or "."


def _long_name(table: TableSource, has_twin: bool) -> str:
    path = table.path or "."
    return f"{path}.{table.format}" if has_twin else path


def _is_single_file(table: TableSource) -> bool:
    return len(table.files) == 1 and table.files[0].path == table.path


def _split_ending(path: str) -> tuple[str, str]:
    """A path and its known ending, which may have a compression's behind it; a name is never all ending."""
    stem, ending = path, ""
    for compression in _TEXT_COMPRESSIONS:
        if stem.lower().endswith(compression):
            stem, ending = stem[: -len(compression)], stem[-len(compression) :]
    start = stem.rfind(".")
    known = stem[start:].lower() if start > stem.rfind("/") + 1 else ""
    if known not in _ENDINGS or (ending and _ENDINGS[known] == "parquet"):
        return path, ""
    return stem[:start], stem[start:] + ending


def _with_partitions(tables: Sequence[TableSource]) -> Discovery:
    """Reads the partition columns off the paths; files of one table that disagree about them make it unreadable."""
    good, bad = [], []
    for table in tables:
        if table.format == "delta" or _is_single_file(table):
            good.append(table)
            continue
        layouts = {tuple(key for key, _ in partition_of(entry.path, table.path)) for entry in table.files}
        if len(layouts) == 1 and len(set(next(iter(layouts)))) == len(next(iter(layouts))):
            good.append(replace(table, partition_columns=layouts.pop()))
        else:
            bad.append(_disagreeing(table, sorted(layouts)))
    return Discovery(tuple(good), tuple(bad))


def apart(table: TableSource) -> list[TableSource]:
    """The files of a table that turned out to be none, each by itself."""
    named = _named([TableSource("", table.format, (entry,), entry.path) for entry in table.files])
    by_path = {one.path: one for one in named}
    return [by_path[entry.path] for entry in table.files]


def _disagreeing(table: TableSource, layouts: Sequence[tuple[str, ...]]) -> Unreadable:
    shown = "; ".join("/".join(layout) or "none" for layout in layouts[:3])
    return Unreadable(
        table.name,
        table.format,
        f"the folders of its files have different or repeated partition columns: {shown}",
        "name the folder in `split` or `exclude` in the lake section of the config",
    )

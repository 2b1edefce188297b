"""What of a lake's files is a table.

In this order: a folder with a Delta log; that of an Iceberg table; the folder of a streaming sink; what the globs group
or split; a folder of Hive partitions (`k=v/`); the `part-*` files of a folder, a table for each format; a folder all of
whose files of a format are called as a writer numbers its parts (`part.0`, `data_0`, `00000000`), where their columns
agree; every other file by itself, but for books, which hold several tables each (see `books`). What lies in a managed
table that is not read (see `managed`) is not listed in the first place.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from lakebed.connectors.lake.books import Book, book_tables, claimed_files, claims_met, with_links
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.listing import Listing, table_of_log
from lakebed.connectors.lake.managed import NAMES
from lakebed.connectors.lake.model import BOOK_FORMATS, TEXT_FORMATS, FileEntry, TableFormat, TableSource, Unreadable
from lakebed.connectors.paths import folders_above

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_ENDINGS: dict[str, TableFormat] = {
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv",
    ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".avro": "avro", ".orc": "orc", ".arrow": "arrow", ".feather": "arrow",
    ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite", ".db3": "sqlite", ".gpkg": "sqlite",
    ".xlsx": "spreadsheet", ".xlsm": "spreadsheet", ".xlsb": "spreadsheet", ".xls": "spreadsheet",
    ".ods": "spreadsheet", ".duckdb": "duckdb", ".ddb": "duckdb", ".ducklake": "duckdb",
}  # fmt: skip
Groups = dict[tuple[str, TableFormat], list[FileEntry]]
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Dask, Polars, DuckDB (a file for each thread), Trino and Athena, buckets of these, pyarrow with a name of its own,
# names that are random alone, Ray, BigQuery, Snowflake, Glue, Redshift
_PARTS = (
    re.compile(r"part[._](?P<n>\d+)"),
    re.compile(r"(?P<n>0\d{3,})"),
    re.compile(r"data_(?P<n>\d+)"),
    re.compile(rf"\d{{8}}_\d{{6}}_\d{{5}}_[0-9a-z]{{5}}_{_UUID}"),
    re.compile(r"\d{8}_\d{6}_\d{5}_[0-9a-z]{5}_bucket-(?P<n>\d+)"),
    re.compile(r"[0-9a-f]{32}-(?P<n>\d+)"),
    re.compile(rf"{_UUID}(?:-\d+)?"),
    re.compile(r"[0-9a-f]+_(?P<n>\d{6})(?:_000000)?"),
    re.compile(r"[\w-]*?(?P<n>\d{12})"),
    re.compile(r"data_\d{1,3}_\d{1,2}_\d{1,3}(?:\.snappy)?"),
    re.compile(r"run-\d{13}-part-r-\d{5}(?:\.[a-z]+)?"),
    re.compile(r"[\w-]*?(?P<n>\d{4})_part_00"),
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


def discover(listing: Listing, config: LakeConfig, books: Mapping[str, Book] | None = None) -> Discovery:
    """Finds the tables among the listed files. Cost: O(files · depth).

    Args:
        listing: of the lake.
        config: of the lake.
        books: what is in each book, by its path; a book that is not among them is one source without parts.
    """
    claimed = with_links(claimed_files(books.values()), listing.links) if books else set()
    held = _sorted(listing, config, claimed)
    numbered = _join_numbered(held.groups, config)
    groups = _without_links(held.groups, listing, (*held.deltas.values(), *held.icebergs.values()))
    shared = _shared(held.deltas.keys(), listing)
    tables = [TableSource("", "delta", tuple(f), folder) for folder, f in held.deltas.items() if folder not in shared]
    tables += [
        TableSource("", "iceberg", tuple(files), folder, metadata=listing.pinned.get(folder, ""))
        for folder, files in held.icebergs.items()
    ]
    tables += [
        TableSource("", format_, _with_rows(files, format_), path, is_guess=(path, format_) in numbered)
        for (path, format_), files in groups.items()
    ]
    found = _with_partitions(_named(tables))
    unreadable = (*found.unreadable, *shared.values())
    if books:
        unreadable += tuple(claims_met(books, held.met, config))
    if not held.books:
        return replace(found, unreadable=unreadable, others=tuple(held.others))
    beside = {entry.path: entry for entry in held.others}
    taken = {table.name for table in found.tables}
    more = book_tables(held.books, books or {}, beside, taken, config)
    tables = sorted([*found.tables, *more.tables], key=lambda table: table.name)
    return Discovery(tuple(tables), (*unreadable, *more.unreadable), (*held.others, *more.others))


@dataclass
class _Sorted:
    """The listed files by what they belong to: Delta and Iceberg tables by folder, groups, books; `met` are claims."""

    deltas: dict[str, list[FileEntry]]
    icebergs: dict[str, list[FileEntry]]
    groups: Groups = field(default_factory=lambda: defaultdict(list))
    books: list[tuple[FileEntry, TableFormat]] = field(default_factory=list)
    others: list[FileEntry] = field(default_factory=list)
    met: set[str] = field(default_factory=set)


def _sorted(listing: Listing, config: LakeConfig, claimed: Collection[str]) -> _Sorted:
    """Each file where it belongs; those that a book claims are in none, and are noted."""
    # what begins with a slash belongs to a catalog, which names its tables itself
    deltas = {table_of_log(entry.path) for entry in listing.logs if not entry.path.startswith("/")}
    deltas = {folder for folder in deltas if not _is_inside(folder, deltas)}
    held = _Sorted({folder: [] for folder in deltas}, {folder: [] for folder in listing.icebergs})
    for entry in listing.files:
        if entry.path in claimed:
            held.met.add(entry.path)
            continue
        iceberg = _iceberg_of(entry.path, listing.icebergs)
        if iceberg is not None:
            held.icebergs[iceberg].append(entry)
            continue
        delta = next((folder for folder in folders_above(entry.path) if folder in deltas), None)
        format_ = format_of(entry.path)
        if delta is not None:
            held.deltas[delta].append(entry)
        elif format_ is None:
            held.others.append(entry)
        elif format_ in BOOK_FORMATS:
            held.books.append((entry, format_))
        elif claimed and (folder := _claim_on(entry.path, claimed)):
            held.met.add(folder)
        else:
            held.groups[_table_path(entry.path, config, listing.sinks), format_].append(entry)
    return held


def _claim_on(path: str, claimed: Collection[str]) -> str:
    """The folder (`folder/`) that a book claims in which a file lies; empty if there is none."""
    return next((f"{folder}/" for folder in folders_above(path) if f"{folder}/" in claimed), "")


def _without_links(groups: Groups, listing: Listing, others: Iterable[Sequence[FileEntry]]) -> Groups:
    """Leaves out what is files of other tables by other names alone: of two one could go, and the other with it.

    A link to a file that is in no table stays: `train.parquet` to a blob, `current.csv` to a snapshot.
    """
    if not listing.links:
        return groups
    inside = {file.path for files in (*groups.values(), *others) for file in files}
    return {
        key: files for key, files in groups.items() if not all(listing.links.get(file.path) in inside for file in files)
    }


def _with_rows(files: Sequence[FileEntry], format_: TableFormat) -> tuple[FileEntry, ...]:
    """The files of a table without parts of no bytes, which writers of text leave, unless there is nothing else."""
    return tuple(entry for entry in files if entry.size or format_ not in TEXT_FORMATS) or tuple(files)


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


def _iceberg_of(path: str, icebergs: Collection[str]) -> str | None:
    """The folder of the Iceberg table that a file belongs to."""
    return next((folder for folder in folders_above(path) if folder in icebergs), None) if icebergs else None


def _shared(deltas: Iterable[str], listing: Listing) -> dict[str, Unreadable]:
    """The Delta tables in whose folder another system keeps a table: moving the one would move the other."""
    managed = {one.name: one.format for one in listing.problems if one.format in NAMES and one.name != "."}
    managed |= dict.fromkeys(sorted(listing.icebergs), "iceberg")
    found = {}
    for folder in deltas if managed else ():
        prefix = f"{folder}/" if folder else ""
        if inner := next((name for name in managed if name.startswith(prefix)), None):
            reason = f"another table lies in its folder: {inner}, kept by {NAMES[managed[inner]]}"
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
    if known not in _ENDINGS or (ending and _ENDINGS[known] not in TEXT_FORMATS):
        return path, ""
    return stem[:start], stem[start:] + ending


def _with_partitions(tables: Sequence[TableSource]) -> Discovery:
    """Reads the partition columns off the paths; files of one table that disagree about them make it unreadable."""
    good, bad = [], []
    for table in tables:
        if table.format in ("delta", "iceberg") or _is_single_file(table):
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

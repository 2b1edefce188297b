"""Reads the metadata of all tables: footers and Delta logs, by the driver's threads or by the given reader."""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.config import ColumnType, LakeConfig
from lakebed.connectors.lake.delta_log import DeltaFacts, read_delta
from lakebed.connectors.lake.discovery import Discovery, apart, partition_of
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.leaves import token_of
from lakebed.connectors.lake.listing import Listing, table_of_log
from lakebed.connectors.lake.model import STAGED_FORMATS, FileEntry, TableSource, Unreadable
from lakebed.connectors.lake.statistics import UNKNOWN, FileFacts, widen
from lakebed.connectors.lake.text.types import parse_canonical
from lakebed.connectors.lake.type_text import column_type
from lakebed.connectors.lake.variant import VARIANT_TYPE
from lakebed.tasks.inventory.kernel import TableFacts, type_class, unify_schema

# read by delta-rs, outside of Python's lock
_LOGS_TOGETHER = 4
_CANDIDATES: tuple[ColumnType, ...] = ("int64", "float64", "date", "timestamp")


def partition_type(texts: Collection[str | None], override: ColumnType | None = None) -> pa.DataType:
    """The type that every value survives; string otherwise, and where all are null.

    Args:
        texts: the values of one partition column as they stand in the paths.
        override: the type that the config gives.

    Raises:
        SourceError: if a value is none of the given type.
    """
    known = pa.array(sorted({text for text in texts if text is not None}), pa.string())
    if override is not None:
        try:
            known.cast(column_type(override))
        except pa.ArrowInvalid as error:
            raise SourceError(f"a partition's value is no {override}", value=str(error).splitlines()[0]) from error
        return column_type(override)
    if not len(known):
        return pa.string()
    if _are_integers(known):
        return column_type("int64")
    return column_type(next((name for name in _CANDIDATES if _fits(known, name)), "string"))


def _are_integers(texts: pa.Array) -> bool:
    """Whether all are integers of 64 bits, as engines type them: `month=01` is the month 1."""
    if not pc.all(pc.match_substring_regex(texts, "^-?[0-9]+$")).as_py():
        return False
    try:
        texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _fits(texts: pa.Array, name: ColumnType) -> bool:
    if name != "timestamp":
        return parse_canonical(texts, name) is not None
    # timestamps of a path need not share one form, only be without a zone
    return False


FooterReader = Callable[[Sequence[FileEntry]], list[FileFacts | Unreadable]]


@dataclass
class LakeFacts:
    """What is known of the lake so far: readable tables by name, and the rest with its reasons.

    `elsewhere` are files of Iceberg tables that lie outside of their folders, with the table's name: those of older
    snapshots, delete files, and those of tables that cannot be read among them.
    """

    tables: dict[str, TableFacts] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)

    def is_part(self, source: TableSource) -> bool:
        """Whether a file of a table is an Iceberg table's: then it is no table by itself, and is listed so.

        A table with a log of its own stays one; `apply` asks for every file of any format.
        """
        if source.format not in ("parquet", *STAGED_FORMATS):
            return False
        owner = next((self.elsewhere[entry.path] for entry in source.files if entry.path in self.elsewhere), None)
        if owner is not None:
            reason = f"it is a part of the Iceberg table {owner}, which names its files"
            self.unreadable.append(Unreadable(source.name, source.format, reason, "read that table"))
        return owner is not None

    def add(self, table: TableFacts) -> None:
        """Adds a table if its files make one schema."""
        if table.source.name in self.tables:
            # a file that was taken for a part of a table, beside one that has its name but for the ending
            table.source = replace(table.source, name=table.source.path)
        try:
            unify_schema(table)
        except SourceError as error:
            self.refuse(table.source, error)
        else:
            self.tables[table.source.name] = table

    def refuse(self, source: TableSource, error: SourceError) -> None:
        """Lists a table that cannot be read; that its store does not answer is no fault of the table.

        Raises:
            SourceBusyError: if that is the error.
        """
        if isinstance(error, SourceBusyError):
            raise error
        self.unreadable.append(Unreadable(source.name, source.format, reason_text(error), error.hint))


def read_metadata(listing: Listing, discovery: Discovery, config: LakeConfig, read: FooterReader) -> LakeFacts:
    """The facts of all Parquet, Delta and Iceberg tables.

    Args:
        listing: of the lake.
        discovery: its tables; text tables are left alone.
        config: of the lake.
        read: reads footers, in the order given.
    """
    lake = LakeFacts(unreadable=[*listing.problems, *discovery.unreadable])
    deltas = _read_deltas(listing, discovery, config, lake)
    _add_icebergs(lake, listing, discovery, config)
    plain = [source for source in discovery.tables if source.format == "parquet" and not lake.is_part(source)]
    wanted = [entry for source in plain for entry in source.files]
    wanted += [entry for source, facts in deltas for entry in _files_to_open(source, facts)]
    footers = dict(zip((entry.path for entry in wanted), read(wanted), strict=True))
    for source in plain:
        _add_parquet(lake, source, [footers[entry.path] for entry in source.files], config)
    for source, facts in deltas:
        _add_delta(lake, source, facts, footers)
    return lake


def with_partitions(table: TableFacts, config: LakeConfig) -> TableFacts:
    """The table with the constant columns that stand in its files' paths.

    Raises:
        SourceError: if a value is none of the type that the config gives.
    """
    source = table.source
    overrides = type_overrides(source.name, config)
    for file in table.files:
        values = partition_of(file.path, source.path)
        file.partition_values = tuple((partition_token(name, config), text) for name, text in values)
    for name in source.partition_columns:
        token = partition_token(name, config)
        texts = {dict(file.partition_values)[token] for file in table.files}
        table.partition_types[token] = partition_type(texts, overrides.get(name))
    return table


def partition_token(name: str, config: LakeConfig) -> str:
    """The token of a partition column."""
    return token_of((name.casefold() if config.ignore_column_case else name,))


def type_overrides(table: str, config: LakeConfig) -> dict[str, ColumnType]:
    """Column name → type, of every glob of the config that names the table."""
    return {
        column: type_
        for glob, types in config.text.types.items()
        if matches_any(table, [glob])
        for column, type_ in types.items()
    }


def reason_text(error: SourceError) -> str:
    """Why something cannot be read, in one line."""
    reason = f"{error.what}: {error.value}" if error.value is not None else error.what
    return " ".join(reason.split())[:500]


def _read_deltas(
    listing: Listing, discovery: Discovery, config: LakeConfig, lake: LakeFacts
) -> list[tuple[TableSource, DeltaFacts]]:
    logs: dict[str, list[FileEntry]] = {}
    for entry in listing.logs:
        logs.setdefault(table_of_log(entry.path), []).append(entry)

    def read(source: TableSource) -> DeltaFacts | SourceError:
        try:
            return read_delta(listing.root, source, logs[source.path], config.ignore_column_case)
        except SourceError as error:
            return error

    sources = [source for source in discovery.tables if source.format == "delta"]
    found = []
    with ThreadPoolExecutor(_LOGS_TOGETHER) as pool:
        for source, facts in zip(sources, pool.map(read, sources), strict=True):
            if isinstance(facts, SourceError):
                lake.refuse(source, facts)
            else:
                found.append((source, facts))
    return found


def _add_icebergs(lake: LakeFacts, listing: Listing, discovery: Discovery, config: LakeConfig) -> None:
    sources = [source for source in discovery.tables if source.format == "iceberg"]
    if not sources:
        return
    from lakebed.connectors.lake.iceberg.claims import claims_of
    from lakebed.connectors.lake.iceberg.table import read_tables

    files = {
        entry.path: entry for entry in (*listing.files, *(one for table in listing.sources for one in table.files))
    }
    found = read_tables(listing.root, sources, files, config.ignore_column_case)
    claims = claims_of(listing.root, [source.path for source in sources], files.keys())
    for source, facts in zip(sources, found, strict=True):
        lake.elsewhere |= dict.fromkeys(claims[source.path].files, source.name)
        if isinstance(facts, SourceError):
            lake.refuse(source, facts)
            continue
        own = {entry.path for entry in source.files}
        outside = [file.path for file in facts.files if file.path not in own]
        lake.elsewhere |= dict.fromkeys(outside, source.name)
        whole = replace(source, files=(*source.files, *(files[path] for path in outside)))
        types = {leaf.token: leaf.type for leaf in facts.leaves}
        via = "arrow" if facts.is_plain else "iceberg"
        lake.add(TableFacts(whole, facts.files, via, positions=list(types), leaf_types=types))


def _add_parquet(
    lake: LakeFacts, source: TableSource, footers: Iterable[FileFacts | Unreadable], config: LakeConfig
) -> None:
    files = []
    for footer in footers:
        if isinstance(footer, Unreadable):
            lake.unreadable.append(replace(footer, name=source.name, reason=_with_file(source, footer)))
            return
        files.append(footer)
    if source.is_guess and not are_alike(files):
        for one, file in zip(apart(source), files, strict=True):
            lake.add(TableFacts(one, [file], "arrow"))
        return
    try:
        lake.add(with_partitions(TableFacts(source, files, "arrow"), config))
    except SourceError as error:
        lake.refuse(source, error)


def are_alike(files: Sequence[FileFacts]) -> bool:
    """Whether files that are called as parts of one table have most columns in common, and these of a kind."""
    types = [{leaf.token: type_class(leaf.type) for leaf in file.leaves} for file in files]
    common = set.intersection(*map(set, types))
    if 2 * len(common) < max(map(len, types)):
        return False
    return all(len({one[token] for one in types} - {"null"}) < 2 for token in common)


def _with_file(source: TableSource, footer: Unreadable) -> str:
    return footer.reason if footer.name == source.path else f"{footer.name}: {footer.reason}"


def _files_to_open(source: TableSource, facts: DeltaFacts) -> list[FileEntry]:
    """The files whose footers know more than the log: all, as soon as the log lacks a bound of one."""
    if facts.has_all_statistics:
        return []
    listed = {entry.path: entry for entry in source.files}
    return [listed[file.path] for file in facts.files if file.path in listed]


def _add_delta(
    lake: LakeFacts, source: TableSource, facts: DeltaFacts, footers: dict[str, FileFacts | Unreadable]
) -> None:
    for file in facts.files:
        footer = footers.get(file.path)
        if isinstance(footer, FileFacts):
            _fill(file, footer, facts.row_deletes.get(file.path, 0), facts.is_mapped)
        elif file.n_rows < 0:
            reason = footer.reason if footer else "its rows are not counted in the log"
            lake.refuse(source, SourceError(f"cannot count the rows of {file.path}", value=reason))
            return
    via = "spark" if facts.needs_spark else "arrow"
    types = {leaf.token: leaf.type for leaf in facts.leaves}
    lake.add(TableFacts(source, facts.files, via, dict(facts.partition_types), facts.positions, facts.version, types))


def _fill(file: FileFacts, footer: FileFacts, n_deleted: int, is_mapped: bool) -> None:
    """Takes from a footer what the log lacks."""
    if file.n_rows < 0:
        file.n_rows = footer.n_rows - n_deleted
    file.row_group_rows, file.row_group_bytes = footer.row_group_rows, footer.row_group_bytes
    place = {leaf.token: index for index, leaf in enumerate(footer.leaves)}
    for index, leaf in enumerate(file.leaves):
        found = place.get(leaf.token)
        is_same = found is None or type_class(footer.leaves[found].type) == type_class(leaf.type)
        # a VARIANT may be two columns to the footer, and a date what is a timestamp by now
        if file.statistics.tightness[index] == "none" and not is_mapped and is_same and leaf.type != VARIANT_TYPE:
            _fill_leaf(file, index, footer, found)


def _fill_leaf(file: FileFacts, index: int, footer: FileFacts, found: int | None) -> None:
    if found is None:
        file.statistics.put(index, UNKNOWN, "none", file.n_rows)
        return
    theirs = footer.statistics
    bounds = theirs.min_lower[found], theirs.min_upper[found], theirs.max_lower[found], theirs.max_upper[found]
    n_nulls, tightness = theirs.n_nulls[found], theirs.tightness[found]
    file.statistics.n_bytes[index] = theirs.n_bytes[found]
    if file.n_rows != footer.n_rows:
        n_nulls = 0 if n_nulls == 0 else file.n_rows if n_nulls == footer.n_rows else None
        bounds, tightness = widen(bounds), "none" if tightness == "none" else "wide"
    file.statistics.put(index, bounds, tightness, n_nulls)

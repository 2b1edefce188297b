"""The lake as a run finds it: its folder listed, its databases and catalogs open in one snapshot each."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.change import file_changes
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS, HUDI, MARIADB, POSTGRESQL, SQLSERVER
from lakebed.connectors.lake.listing import Listing, canonical_root, list_lake
from lakebed.connectors.lake.model import Unreadable
from lakebed.connectors.paths import folders_above
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.retry import retried

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from lakebed.connectors.lake.config import LakeConfig
    from lakebed.connectors.lake.databases import DatabaseConfig
    from lakebed.connectors.lake.direct import DirectRead, OpenDirect
    from lakebed.connectors.lake.hudi import HudiRead
    from lakebed.connectors.postgresql.database import OpenDatabase, TableRead
    from lakebed.connectors.spark.catalog import OpenCatalog
    from lakebed.tasks.inventory.external import FrameRead
    from lakebed.tasks.runtime.workspace import Workspace


@dataclass(frozen=True)
class OpenLake:
    """What was listed, and what the tables of databases are read from."""

    listing: Listing
    databases: Mapping[str, OpenDatabase | OpenDirect]
    catalogs: Mapping[str, OpenCatalog]
    hudis: Mapping[str, HudiRead] = field(default_factory=dict)

    def read(self, table: str) -> TableRead | FrameRead | DirectRead | HudiRead:
        """How a table of a source is read, by its name.

        Raises:
            SourceError: if it cannot be.
        """
        if table in self.hudis:
            return self.hudis[table]
        name = table.partition("/")[0]
        if name in self.databases:
            return self.databases[name].plan(table)
        from lakebed.tasks.inventory.external import FrameRead

        return FrameRead(table, self.catalogs[name].frame(table))

    def remember(self, n_rows: Mapping[str, int], refused: Iterable[str]) -> None:
        """Keeps what later runs may rely on of the tables that were read, with their rows, and of those refused.

        Nothing is kept of a database that was lost meanwhile: then its tables count as changed.
        """
        for name, database in self.databases.items():
            with suppress(SourceError):
                own = {table: n for table, n in n_rows.items() if table.startswith(f"{name}/")}
                database.remember(own, [table for table in refused if table.startswith(f"{name}/")])


@contextmanager
def listed_lake(workspace: Workspace) -> Iterator[OpenLake]:
    """Lists folder and sources; the sources stay open, in the snapshot in which they were listed.

    A source that cannot be reached is listed as unreadable.

    Raises:
        ConfigError: as `list_lake`; if a folder of the lake has the name of a source.
        SourceError: if the folder cannot be listed.
    """
    lake = workspace.lake
    listing = list_lake(lake)
    _require_own_names(listing, [*lake.databases, *lake.catalogs, *lake.iceberg, *lake.unity])
    listing = _with_iceberg_catalogs(listing, lake)
    listing, hudis = _with_hudi(_with_unity(listing, lake))
    is_local = workspace.engine == "local"
    if is_local:
        listing = replace(listing, problems=(*listing.problems, *_left_to_spark(lake)))
    with ExitStack() as stack:
        databases: dict[str, OpenDatabase | OpenDirect] = {}
        for name, config in sorted(lake.databases.items()):
            if is_local and config.format == POSTGRESQL:
                continue
            with shown().step(f"Asking database {name} what has changed"):
                databases[name] = _open_database(name, config, workspace)
            stack.callback(databases[name].close)
        catalogs = {} if is_local else _open_catalogs(workspace)
        opened: list[OpenDatabase | OpenDirect | OpenCatalog] = [*databases.values(), *catalogs.values()]
        problems = [problem for one in opened for problem in one.problems]
        sources = [source for one in opened for source in one.sources]
        logs = [entry for catalog in catalogs.values() for entry in catalog.logs]
        yield OpenLake(
            replace(
                listing,
                logs=(*listing.logs, *sorted(logs, key=lambda entry: entry.path)),
                problems=(*listing.problems, *sorted(problems, key=lambda problem: problem.name)),
                sources=tuple(sorted([*listing.sources, *sources], key=lambda source: source.name)),
            ),
            databases,
            catalogs,
            hudis,
        )


def _with_iceberg_catalogs(listing: Listing, lake: LakeConfig) -> Listing:
    """The listing with what catalogs say of Iceberg tables in the folder, and with their tables elsewhere."""
    if not lake.iceberg:
        return listing
    from lakebed.connectors.lake.iceberg.catalogs import catalog_tables

    with shown().step(f"Asking {len(lake.iceberg)} Iceberg catalogs for their tables"):
        found = catalog_tables(listing, lake.iceberg)
    return replace(
        listing,
        pinned=found.pinned,
        icebergs=listing.icebergs - found.refused,
        files=tuple(entry for entry in listing.files if not _is_in(entry.path, found.refused)),
        problems=(*listing.problems, *sorted(found.problems, key=lambda problem: problem.name)),
        sources=tuple(sorted(found.sources, key=lambda source: source.name)),
    )


def _with_unity(listing: Listing, lake: LakeConfig) -> Listing:
    """The listing with the tables of Unity Catalogs that lie elsewhere."""
    if not lake.unity:
        return listing
    from lakebed.connectors.lake.unity import unity_tables

    with shown().step(f"Asking {len(lake.unity)} Unity Catalogs for their tables"):
        found = unity_tables(listing.root, lake.unity)
    return replace(
        listing,
        logs=(*listing.logs, *sorted(found.logs, key=lambda entry: entry.path)),
        problems=(*listing.problems, *sorted(found.problems, key=lambda problem: problem.name)),
        sources=(*listing.sources, *found.sources),
    )


def _with_hudi(listing: Listing) -> tuple[Listing, Mapping[str, HudiRead]]:
    """The listing with the tables of Hudi that can be read, and how they are."""
    if not listing.hudis:
        return listing, {}
    from lakebed.connectors.lake.hudi import hudi_tables

    folders = [problem for problem in listing.problems if problem.format == HUDI and problem.name in listing.hudis]
    others = [problem for problem in listing.problems if problem not in folders]
    with shown().step(f"Looking into {len(folders)} tables of Hudi"):
        found = hudi_tables(listing.root, folders, [entry.path for entry in listing.files])
    problems = sorted([*others, *found.problems], key=lambda problem: problem.name)
    return replace(listing, problems=tuple(problems), sources=(*listing.sources, *found.sources)), found.reads


def _is_in(path: str, folders: Collection[str]) -> bool:
    return bool(folders) and any(above in folders for above in folders_above(path))


def _left_to_spark(lake: LakeConfig) -> list[Unreadable]:
    """Databases and catalogs, of which the local engine reads no table."""
    reason, hint = "only Spark reads its tables", "lakebed run --engine spark"
    databases = [name for name, config in lake.databases.items() if config.format == POSTGRESQL]
    named = [*((name, POSTGRESQL) for name in databases), *((name, "catalog") for name in lake.catalogs)]
    return [Unreadable(name, format_, reason, hint) for name, format_ in sorted(named)]


def _open_database(name: str, config: DatabaseConfig, workspace: Workspace) -> OpenDatabase | OpenDirect:
    """The database; one that is busy is asked again, and listed as unreadable if it stays so."""
    if config.format == MARIADB:
        from lakebed.connectors.mariadb.database import open_mariadb

        return open_mariadb(name, config)
    if config.format == SQLSERVER:
        from lakebed.connectors.sqlserver.database import open_sqlserver

        return open_sqlserver(name, config)
    from lakebed.connectors.postgresql.client import DatabaseBusyError
    from lakebed.connectors.postgresql.database import open_database

    memory, is_paranoid = Storage.at(workspace.artifacts), workspace.lake.paranoid
    ask = partial(open_database, name, config, memory, is_paranoid=is_paranoid)
    try:
        return retried(partial(ask, raises_busy=True), f"database {name}")
    except DatabaseBusyError:
        return ask()


def _open_catalogs(workspace: Workspace) -> dict[str, OpenCatalog]:
    """The catalogs of the lake, which only Spark's session knows."""
    if not workspace.lake.catalogs:
        return {}
    from lakebed.connectors.spark.catalog import open_catalog
    from lakebed.connectors.spark.connect import require_jvm
    from lakebed.connectors.spark.session import shared_session

    require_jvm(workspace.spark, "reading catalogs", "take `lake.catalogs` out of the config, or name another master")
    session = shared_session(workspace.spark).get()
    run, root = workspace.run_id or uuid4().hex, canonical_root(workspace.lake.root)
    return {
        name: open_catalog(session, name, config, lake_root=root, run=run)
        for name, config in sorted(workspace.lake.catalogs.items())
    }


def _require_own_names(listing: Listing, names: list[str]) -> None:
    """A table's name says where it lies: no folder or file of the lake may begin like a source's tables."""
    taken = (
        {entry.path.partition("/")[0].partition(".")[0] for entry in (*listing.files, *listing.logs)} if names else ()
    )
    if shared := sorted(set(names) & set(taken)):
        raise ConfigError(
            "a source is called like a folder or a file of the lake",
            value=shared[0],
            expected="a name of its own, since it begins the names of its tables",
            hint="rename it in [lake.databases], [lake.catalogs], [lake.iceberg] or [lake.unity] of the config",
        )


def changed_paths(listing: Listing, lake: LakeConfig) -> set[str]:
    """The files, of logs and of catalogs too, that are not what was listed; all where the lake is listed no more."""
    try:
        again = list_lake(lake.model_copy(update={"paranoid": False}))
    except (ConfigError, SourceError):
        again = Listing(listing.root, (), ())
    files = [entry for source in listing.sources for entry in source.files if source.format not in EXTERNAL_FORMATS]
    apart = [*files, *(entry for entry in listing.logs if entry.path.startswith("/"))]
    storage = Storage.at("/", SourceError)
    found = [storage.stat(entry.path) for entry in apart]
    own = [entry for entry in (*listing.files, *listing.logs) if not entry.path.startswith("/")]
    return {
        *file_changes(own, (*again.files, *again.logs)),
        *file_changes(apart, [file for file in found if file is not None]),
    }

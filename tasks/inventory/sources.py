"""The lake as a run finds it: its folder listed, its databases and catalogs open in one snapshot each."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.change import file_changes
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS
from lakebed.connectors.lake.listing import Listing, canonical_root, list_lake
from lakebed.connectors.lake.model import Unreadable
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.retry import retried

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lakebed.connectors.lake.config import LakeConfig
    from lakebed.connectors.lake.databases import DatabaseConfig
    from lakebed.connectors.postgresql.database import OpenDatabase, TableRead
    from lakebed.connectors.spark.catalog import OpenCatalog
    from lakebed.tasks.inventory.external import FrameRead
    from lakebed.tasks.runtime.workspace import Workspace


@dataclass(frozen=True)
class OpenLake:
    """What was listed, and what the tables of databases are read from."""

    listing: Listing
    databases: Mapping[str, OpenDatabase]
    catalogs: Mapping[str, OpenCatalog]

    def read(self, table: str) -> TableRead | FrameRead:
        """How a table of a source is read, by its name.

        Raises:
            SourceError: if it cannot be.
        """
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
    _require_own_names(listing, [*lake.databases, *lake.catalogs])
    if workspace.engine == "local":
        yield OpenLake(replace(listing, problems=(*listing.problems, *_left_to_spark(lake))), {}, {})
        return
    with ExitStack() as stack:
        databases = {}
        for name, config in sorted(lake.databases.items()):
            with shown().step(f"Asking database {name} what has changed"):
                databases[name] = _open_database(name, config, workspace)
            stack.callback(databases[name].close)
        catalogs = _open_catalogs(workspace)
        opened: list[OpenDatabase | OpenCatalog] = [*databases.values(), *catalogs.values()]
        problems = [problem for one in opened for problem in one.problems]
        sources = [source for one in opened for source in one.sources]
        logs = [entry for catalog in catalogs.values() for entry in catalog.logs]
        yield OpenLake(
            replace(
                listing,
                logs=(*listing.logs, *sorted(logs, key=lambda entry: entry.path)),
                problems=(*listing.problems, *sorted(problems, key=lambda problem: problem.name)),
                sources=tuple(sorted(sources, key=lambda source: source.name)),
            ),
            databases,
            catalogs,
        )


def _left_to_spark(lake: LakeConfig) -> list[Unreadable]:
    """Databases and catalogs, of which the local engine reads no table."""
    reason, hint = "only Spark reads its tables", "lakebed run --engine spark"
    named = [*((name, "postgresql") for name in lake.databases), *((name, "catalog") for name in lake.catalogs)]
    return [Unreadable(name, format_, reason, hint) for name, format_ in sorted(named)]


def _open_database(name: str, config: DatabaseConfig, workspace: Workspace) -> OpenDatabase:
    """The database; one that is busy is asked again, and listed as unreadable if it stays so."""
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
    from lakebed.connectors.spark.session import shared_session

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
            hint=f"rename [lake.databases.{shared[0]}] or [lake.catalogs.{shared[0]}] in the config",
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

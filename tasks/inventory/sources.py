"""The lake as a run finds it: its folder listed, its databases and catalogs open in one snapshot each."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connectors.errors import ConfigError
from connectors.lake.listing import Listing, list_lake
from connectors.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.postgresql.database import OpenDatabase
    from tasks.runtime.workspace import Workspace


@dataclass(frozen=True)
class OpenLake:
    """What was listed, and what the tables of databases are read from."""

    listing: Listing
    databases: Mapping[str, OpenDatabase]

    def database_of(self, table: str) -> OpenDatabase:
        """The database that a table belongs to, by the table's name."""
        return self.databases[table.partition("/")[0]]


@contextmanager
def listed_lake(workspace: Workspace) -> Iterator[OpenLake]:
    """Lists folder and sources; the sources stay open, in the snapshot in which they were listed.

    A source that cannot be reached is listed as unreadable.

    Raises:
        ConfigError: as `list_lake`; if a folder of the lake has the name of a source; if the driver is missing.
        SourceError: if the folder cannot be listed.
    """
    lake = workspace.lake
    listing = list_lake(lake)
    _require_own_names(listing, [*lake.databases, *lake.catalogs])
    with ExitStack() as stack:
        databases = {}
        for name, config in sorted(lake.databases.items()):
            from connectors.postgresql.database import open_database

            memory = Storage.at(workspace.artifacts)
            databases[name] = open_database(name, config, memory, is_paranoid=lake.paranoid)
            stack.callback(databases[name].close)
        problems = [problem for database in databases.values() for problem in database.problems]
        sources = [source for database in databases.values() for source in database.sources]
        yield OpenLake(
            replace(
                listing,
                problems=(*listing.problems, *sorted(problems, key=lambda problem: problem.name)),
                sources=tuple(sorted(sources, key=lambda source: source.name)),
            ),
            databases,
        )


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

"""Databases of the Spark session's catalog: what tables they hold, and where their files lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from lakebed.connectors.errors import LakeError, SourceError, first_line
from lakebed.connectors.lake.databases import CATALOG, VIEW, state_token
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.located import as_files, files_at, is_below, path_of
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.spark.names import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakebed.connectors.lake.databases import CatalogConfig

_ERRORS = (PySparkException, Py4JJavaError)


@dataclass
class OpenCatalog:
    """The chosen databases of a catalog.

    Attributes:
        sources: its tables: those of Parquet and Delta files on local disks as files, the others for Spark's reader.
        logs: files of the Delta logs of the former.
        problems: what cannot be read, or is a view.
    """

    name: str
    session: SparkSession
    sources: list[TableSource] = field(default_factory=list)
    logs: list[FileEntry] = field(default_factory=list)
    problems: list[Unreadable] = field(default_factory=list)

    def frame(self, table: str) -> DataFrame:
        """The rows of a table, by its name in the lake.

        Raises:
            SourceError: if Spark cannot open it.
        """
        try:
            return self.session.table(quoted(*table.partition("/")[2].split(".", 1)))
        except _ERRORS as error:
            raise SourceError("Spark cannot open it", value=first_line(error)) from error


@dataclass(frozen=True)
class _Entry:
    """What the catalog says of a table."""

    name: str
    kind: str
    provider: str
    location: str
    is_partitioned: bool
    columns: tuple[tuple[str, str], ...]


def open_catalog(session: SparkSession, name: str, config: CatalogConfig, *, lake_root: str, run: str) -> OpenCatalog:
    """Asks the catalog for its tables: a call per database and one per table, and no job. What fails ends nothing else.

    A table whose files lie below the lake's folder is left to the folder.

    Args:
        session: whose catalog it is.
        name: that the lake gives it.
        config: which databases and tables.
        lake_root: of the lake's folder, empty for none.
        run: stands for the state of what has no files that would tell; another one at each run.
    """
    opened = OpenCatalog(name, session)
    try:
        databases = [database.name for database in session.catalog.listDatabases()]
        chosen = [one for one in databases if not config.databases or matches_any(one, config.databases)]
        tables = [(one, table.name) for one in chosen for table in session.catalog.listTables(one) if table.namespace]
    except _ERRORS as error:
        opened.problems.append(Unreadable(name, CATALOG, f"the catalog does not answer: {first_line(error)}"))
        return opened
    for database, table in sorted(tables):
        plain = f"{database}.{table}"
        if (config.include and not matches_any(plain, config.include)) or matches_any(plain, config.exclude):
            continue
        try:
            _add(opened, _described(session, database, table), config, (lake_root, run))
        except (LakeError, *_ERRORS) as error:
            opened.problems.append(Unreadable(f"{name}/{plain}", CATALOG, first_line(error)))
    return opened


def _add(opened: OpenCatalog, entry: _Entry, config: CatalogConfig, place: tuple[str, str]) -> None:
    lake_root, run = place
    name = f"{opened.name}/{entry.name}"
    if entry.kind == "VIEW" and not config.views:
        opened.problems.append(Unreadable(name, VIEW, "a view is not read", "set `views = true` to read views as well"))
        return
    if path_of(entry.location) and is_below(entry.location, lake_root):
        return
    files = files_at(entry.location) if entry.location and entry.kind != "VIEW" else []
    located = as_files(name, entry.provider, entry.location, files, is_partitioned=entry.is_partitioned)
    if located is not None:
        opened.logs += located.logs
        opened.sources.append(located.source)
    else:
        token = state_token([entry.columns, entry.kind, [[f.path, f.size, f.mtime_ns] for f in files] or run])
        opened.sources.append(TableSource(name, CATALOG, (FileEntry(name, 0, 0, token),), f"{entry.kind} {entry.name}"))


def _described(session: SparkSession, database: str, table: str) -> _Entry:
    rows = session.sql(f"DESCRIBE TABLE EXTENDED {quoted(database, table)}").collect()
    heads = [place for place, row in enumerate(rows) if row["col_name"].startswith("#") or not row["col_name"]]
    columns = tuple((row["col_name"], row["data_type"]) for row in rows[: heads[0] if heads else len(rows)])
    facts = {row["col_name"]: row["data_type"] for row in rows[len(columns) :]}
    return _Entry(
        name=f"{database}.{table}",
        kind="VIEW" if "VIEW" in facts.get("Type", "") else "TABLE",
        provider=facts.get("Provider", "").lower(),
        location=facts.get("Location", ""),
        is_partitioned="# Partition Information" in facts or "# Partitioning" in facts,
        columns=columns,
    )

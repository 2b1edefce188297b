"""Tables of catalogs that are set aside: they get another name in their catalog, and their files stay where they are.

Nothing is dropped: some catalogs delete the files of what is dropped.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.errors import PlanError, SourceError, first_line
from lakebed.connectors.lake.iceberg.catalogs import ASIDE, Identifier, loaded_catalog, table_name
from lakebed.connectors.lake.lake_root import plain_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakebed.connectors.lake.databases import IcebergConfig


class CatalogEntry(FrozenConfig):
    """A table in a catalog.

    Attributes:
        catalog: its name in the config.
        table: namespaces and name.
        aside: name in the namespace of tables that are set aside.
        metadata: the metadata file that counts, as the catalog writes it.
    """

    catalog: str
    table: Identifier
    aside: str
    metadata: str

    @property
    def told(self) -> str:
        """For messages: `prod/sales.orders`."""
        return f"{self.catalog}/{table_name(self.table)}"


def rename_aside(entry: CatalogEntry, catalogs: Mapping[str, IcebergConfig]) -> None:
    """Gives a table its name among those set aside; one that has it is fine.

    Raises:
        PlanError: if the catalog does not do it, or if somebody has committed meanwhile.
    """
    with _opened(entry, catalogs) as catalog:
        if not catalog.namespace_exists((ASIDE,)):
            catalog.create_namespace((ASIDE,))
        _rename(catalog, entry, entry.table, (ASIDE, entry.aside))
        found = catalog.load_table((ASIDE, entry.aside)).metadata_location
        if plain_path(found) != plain_path(entry.metadata):
            raise PlanError(
                "somebody has committed to a table while it was set aside",
                value=f"{entry.told}: {found}",
                expected=entry.metadata,
                hint="lakebed run; lakebed plan",
            )


def rename_back(entry: CatalogEntry, catalogs: Mapping[str, IcebergConfig]) -> None:
    """Gives a table its own name; one that has it is fine.

    Raises:
        PlanError: if the catalog does not do it.
    """
    with _opened(entry, catalogs) as catalog:
        for depth in range(1, len(entry.table)):
            if not catalog.namespace_exists(entry.table[:depth]):
                catalog.create_namespace(entry.table[:depth])
        _rename(catalog, entry, (ASIDE, entry.aside), entry.table)
        with contextlib.suppress(Exception):
            # others may be in it
            catalog.drop_namespace((ASIDE,))


def is_free(entry: CatalogEntry, catalogs: Mapping[str, IcebergConfig]) -> bool:
    """Whether no other table has its name in the catalog.

    Raises:
        PlanError: if the catalog does not answer.
    """
    with _opened(entry, catalogs) as catalog:
        return not _has(catalog, entry.table)


def _rename(catalog: Any, entry: CatalogEntry, source: Identifier, target: Identifier) -> None:
    has_source, has_target = _has(catalog, source), _has(catalog, target)
    if has_target and not has_source:
        return
    if has_source and not has_target:
        catalog.rename_table(source, target)
        return
    what = "two tables in its catalog have the names of" if has_source else "its catalog has no longer"
    raise PlanError(
        f"a table cannot be renamed: {what} {entry.told}",
        value=f"{table_name(source)}, {table_name(target)}",
        expected="one of the two names in the catalog",
        hint="rename what has the name meanwhile, then give the same command again",
    )


def _has(catalog: Any, identifier: Identifier) -> bool:
    """Whether a catalog lists a table, whatever became of its files."""
    above = identifier[:-1]
    return catalog.namespace_exists(above) and identifier in {tuple(one) for one in catalog.list_tables(above)}


@contextlib.contextmanager
def _opened(entry: CatalogEntry, catalogs: Mapping[str, IcebergConfig]) -> Any:
    try:
        if entry.catalog not in catalogs:
            raise PlanError("the config names no such catalog", value=entry.catalog, expected="[lake.iceberg.NAME]")
        yield loaded_catalog(entry.catalog, catalogs[entry.catalog])
    except PlanError:
        raise
    except SourceError as error:
        raise PlanError(error.what, value=entry.told, hint=error.hint) from error
    except Exception as error:
        # whatever a catalog's client makes of its answer
        raise PlanError(
            "an Iceberg catalog does not answer",
            value=f"{entry.told}: {type(error).__name__}: {first_line(error)[:200]}",
            hint=f"check [lake.iceberg.{entry.catalog}], then give the same command again",
        ) from error

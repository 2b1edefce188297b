"""Which catalogs keep an Iceberg table that is to be set aside or purged: asked again at that time."""

import json
from collections.abc import Sequence

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.iceberg.catalogs import Keepers
from lakebed.connectors.lake.iceberg.kept import catalog_sign
from lakebed.connectors.lake.iceberg.model import READING
from lakebed.connectors.lake.iceberg.renaming import CatalogEntry, is_free
from lakebed.connectors.lake.lake_root import plain_path
from lakebed.tasks.quarantine.kernel import EntryState
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import Receipt, entry_id, quoted
from lakebed.tasks.retention.plan import Plan, PlannedTable


def catalog_entry(plan: Plan, table: PlannedTable, keepers: Keepers) -> CatalogEntry | None:
    """Where a catalog keeps a table; None where none does, and nothing shows one.

    Args:
        plan: the plan.
        table: an Iceberg table of it.
        keepers: what the catalogs of the plan's lake say now.

    Raises:
        PlanError: if a catalog does not answer, several names lead to the table, its catalog counts another metadata
            file than the run has read, or a catalog shows that nobody has named.
    """
    named = keepers.tables.get(table.identity.path, ())
    if doubt := keepers.doubt(table.identity.path):
        raise _refused(table, doubt, "answers of all catalogs in [lake.iceberg], and one name in them")
    listed = [file.path for file in (*table.identity.files, *table.identity.log_files)]
    sign = catalog_sign(table.identity.path, listed)
    if not named and sign and not matches_any(table.name, plan.lake.unmanaged):
        raise _refused(table, sign, "a table without a catalog, a catalog in [lake.iceberg], or `lake.unmanaged`")
    if not named:
        return None
    (kept,) = named
    if not plain_path(kept.metadata).endswith(f"/{_metadata_of(table)}"):
        raise _refused(
            table, f"its catalog counts {kept.metadata}", f"the version that the run has read, {_metadata_of(table)}"
        )
    aside = f"{kept.table[-1]}_{entry_id(plan.plan_id, table.name)}"
    return CatalogEntry(catalog=kept.catalog, table=kept.table, aside=aside, metadata=kept.metadata)


def kept_by_catalogs(quarantine: Quarantine, entries: Sequence[tuple[EntryState, Receipt]]) -> dict[str, PlanError]:
    """Iceberg tables in quarantine that a catalog still names, or may; by the table's name why."""
    found = {}
    for _, receipt in entries:
        if receipt.table.identity.format != "iceberg":
            continue
        keepers = quarantine.keepers(receipt.lake)
        named = keepers.tables.get(receipt.table.identity.path, ())
        if sign := keepers.silent or next((f"its catalog calls it {one.told}" for one in named), ""):
            found[receipt.table.name] = PlanError(
                "an Iceberg table in quarantine may be named by a catalog; nothing was deleted",
                value=f"{receipt.table.name}: {sign}",
                expected="no name in any catalog but that of tables set aside",
                hint=f"lakebed restore {quoted(receipt.table.name)} --lake {quoted(receipt.lake.root)}",
            )
    return found


def require_free_name(receipt: Receipt) -> None:
    """Refuses a restore to a name that another table has in the catalog.

    Raises:
        PlanError: naming it, or if the catalog does not answer.
    """
    entry = receipt.catalog
    if entry is not None and not is_free(entry, receipt.lake.iceberg):
        raise PlanError(
            "another table has the name of a table to restore in its catalog; nothing was done",
            value=entry.told,
            expected="a free name",
            hint="rename the other table, then give the same command again",
        )


def _metadata_of(table: PlannedTable) -> str:
    """The metadata file that the run has read, below the lake's root."""
    files = (table.recipe or {}).get("child", {}).get("files", ())
    return next((json.loads(text)["metadata"] for one in files for token, text in one["casts"] if token == READING), "")


def _refused(table: PlannedTable, why: str, expected: str) -> PlanError:
    return PlanError(
        "an Iceberg table that a catalog may keep cannot be set aside; nothing was done",
        value=f"{table.name}: {why}",
        expected=expected,
        hint="lakebed run; lakebed plan",
    )

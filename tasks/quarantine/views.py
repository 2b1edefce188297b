"""A view for each table set aside, in a database of Spark's catalog, so that queries by name still find an answer."""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakebed.connectors.errors import SourceError
from lakebed.connectors.spark.names import quoted
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.receipt import Receipt
from lakebed.tasks.quarantine.recipes import recipe_of
from lakebed.tasks.quarantine.restore import RECIPE
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.emit import to_view

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_OTHER = re.compile(r"[^0-9A-Za-z_]+")


def create_views(session: "SparkSession", database: str, receipts: Sequence[Receipt], quarantine: Storage) -> list[str]:
    """Makes the views of tables set aside, over their parents; an existing view of the same name is replaced.

    Args:
        session: whose catalog holds the database.
        database: made where it is missing.
        receipts: of the tables.
        quarantine: where row numbers lie that recipes need.

    Returns:
        Names of tables of which no view can be made, each with the reason; they are read by `lakebed.open_table`.
    """
    session.sql(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}")
    without = []
    for receipt in receipts:
        context = RecipeContext(receipt.lake, quarantine.uri(receipt.folder, RECIPE), b"")
        try:
            name = f"{database}.{view_name(receipt.table.name)}"
            session.sql(to_view(context, recipe_of(receipt.table), name, is_lasting=True))
        except SourceError as error:
            without.append(f"{receipt.table.name}: {error.what} ({error.value})")
    return without


def drop_views(session: "SparkSession", database: str, tables: Sequence[str]) -> None:
    """Removes the views of tables that are back."""
    if not session.catalog.databaseExists(database):
        return
    for table in tables:
        session.sql(f"DROP VIEW IF EXISTS {quoted(database)}.{quoted(view_name(table))}")


def view_name(table: str) -> str:
    """The table's name in letters, digits and underscores; a digest tells names apart that become the same."""
    plain = _OTHER.sub("_", table)
    return plain if plain == table else f"{plain}_{hashlib.sha256(table.encode()).hexdigest()[:6]}"

"""How the quarantine rebuilds tables: what it asks of recipes, so that it needs to know nothing else of them."""

from typing import Protocol

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.storage import Storage
from lakebed.tasks.retention.plan import PlannedTable


class Rebuilder(Protocol):
    """Runs recipes."""

    def require_equal(self, table: PlannedTable, lake: LakeConfig, kept: str = "", data: str = "") -> PlannedTable:
        """Rebuilds a table from its parents, writes it to a temporary folder, and compares rows and traits.

        Args:
            table: of a plan.
            lake: how the lake is read.
            kept: folder in which the quarantine keeps the recipe's row numbers; empty: they lie with the artifacts.
            data: root below which the original's files lie; empty: the lake's. They are read where the recipe was made
                by a version of lakebed that did not know their traits.

        Returns:
            The table, with a recipe that holds the traits that were compared.

        Raises:
            PlanError: if a parent has moved, or the result differs.
        """

    def keep(self, table: PlannedTable, target: Storage, folder: str) -> None:
        """Copies what a recipe needs beside itself below `folder` of `target`.

        Raises:
            PlanError: if it is missing or has other bytes.
        """

    def write(self, table: PlannedTable, lake: LakeConfig, kept: str, destination: str) -> tuple[str, ...]:
        """Rebuilds a table and writes it in its own format below `destination`, read back and compared.

        Returns:
            The paths of its files, relative to `destination` as they are to the lake's root.

        Raises:
            PlanError: if a parent has moved, or the result differs.
        """

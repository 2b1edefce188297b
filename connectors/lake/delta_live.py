"""Which files the newest version of a Delta table reads: for those who hold files of an older one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from lakebed.connectors.delta import open_table
from lakebed.connectors.lake.delta_errors import log_errors
from lakebed.connectors.lake.delta_log import relative_path
from lakebed.connectors.lake.delta_rows import row_deletes
from lakebed.connectors.lake.files import place_uri

if TYPE_CHECKING:
    from deltalake import DeltaTable


def live_files(root: str, folder: str) -> tuple[int, dict[str, int | None]]:
    """The newest version of a table, and the live rows of each file that it reads.

    Args:
        root: of the lake.
        folder: of the table, below it.

    Returns:
        The version; the rows by the file's path below the root, None where the log does not say.

    Raises:
        SourceError: if the log cannot be read.
    """
    with log_errors(folder):
        table = open_table(place_uri(root, folder))
        return table.version(), live_rows_of(table, folder)


def live_rows_of(table: DeltaTable, folder: str) -> dict[str, int | None]:
    """The live rows of each file of the version that is open, as `live_files` gives them."""
    adds = pa.table(table.get_add_actions(flatten=False)).select(["path", "num_records"]).to_pylist()
    n_rows = {relative_path(row["path"], folder): row["num_records"] for row in adds}
    deleted = row_deletes(table, list(n_rows))
    return {path: None if n is None else n - deleted.get(path, 0) for path, n in n_rows.items()}

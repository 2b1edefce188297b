"""Writing the report."""

import os

from lakebed.connectors.storage import Storage, join_uri
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import ReportData
from lakebed.tasks.report.render import render


def write_report(data: ReportData, path: str | os.PathLike[str], config: ReportConfig | None = None) -> str:
    """Write the report to a local path or an object's URI, whole or not at all; its full path is returned.

    Raises: ArtifactError: if it cannot be written.
    """
    folder, _, name = os.fspath(path).rpartition("/")
    storage = Storage.at(folder or ".")
    storage.write_bytes_atomic(name, render(data, config).encode("utf-8"))
    return join_uri(storage.root, name)

"""Writing the report."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ArtifactError
from tasks.report.config import ReportConfig
from tasks.report.render import render

if TYPE_CHECKING:
    from tasks.report.model import ReportData


def write_report(data: "ReportData", path: str | Path, config: ReportConfig | None = None) -> Path:
    """Write the report to `path`, whole or not at all.

    Raises: ArtifactError: if the file cannot be written.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial")
    text = render(data, config)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, target)
    except OSError as error:
        raise ArtifactError(
            "The report cannot be written.",
            value=f"{target}: {error.strerror}",
            expected="a folder that can be written, with room for a few megabytes",
            hint="free space or name another folder with --artifacts, then `lakebed report`",
        ) from error
    return target

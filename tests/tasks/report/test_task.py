from pathlib import Path

import pytest

from tasks.report.config import ReportConfig
from tests.tasks.report.artifacts import edge, publish_containment, publish_inventory, workspace

pytestmark = pytest.mark.flow


def test_the_report_lies_in_the_runs_folder(tmp_path: Path) -> None:
    from tasks.report.task import build_report

    space = workspace(tmp_path, "r7")
    inventory = publish_inventory(space)
    containment = publish_containment(space, inventory, [edge(1, 0)], [])
    path = build_report.fn(inventory, containment, space, ReportConfig(), None)
    assert Path(path) == tmp_path / "runs" / "r7" / "report.html"
    assert "1 of 4 tables lies wholly inside another table." in Path(path).read_text()

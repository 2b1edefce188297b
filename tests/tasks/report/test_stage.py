import os
from pathlib import Path

import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.report.render import render
from lakebed.tasks.report.stage import write_report
from tests.tasks.report.lakes import hostile_lake, small_lake


def test_the_file_holds_the_rendered_report(tmp_path: Path) -> None:
    path = write_report(hostile_lake(), tmp_path / "runs" / "r1" / "report.html")
    assert Path(path).read_bytes() == render(hostile_lake()).encode()
    assert os.listdir(tmp_path / "runs" / "r1") == ["report.html"]


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    write_report(hostile_lake(), tmp_path / "report.html")
    write_report(small_lake(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == render(small_lake()).encode()


def test_a_folder_in_the_way_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtifactError):
        write_report(small_lake(), tmp_path / "file" / "report.html")

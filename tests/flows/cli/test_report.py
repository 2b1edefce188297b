import json
import shutil

import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.flows.cli.report import report


def test_an_empty_root_names_the_next_command(tmp_path):
    with pytest.raises(ArtifactError) as caught:
        report(artifacts=str(tmp_path))
    assert "lakebed run" in caught.value.hint


@pytest.mark.flow
def test_the_report_is_written_anew(finished, tmp_path, capsys):
    folder, answer = finished
    shutil.copytree(folder / "artifacts", tmp_path / "artifacts")
    path = tmp_path / "artifacts" / "runs" / answer.json["run_id"] / "report.html"
    before = path.read_text()
    path.unlink()
    report(artifacts=str(tmp_path / "artifacts"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"run_id": answer.json["run_id"], "report": str(path)}
    assert path.read_text() == before
    report(artifacts=str(tmp_path / "artifacts"))
    assert capsys.readouterr().out == f"{path}\n"

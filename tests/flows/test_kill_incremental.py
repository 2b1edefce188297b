"""Runs on a changed lake that are killed with -9 and run again: the result is that of a full run."""

import shutil

import pyarrow.parquet as pq
import pytest

from lakebed.tasks.runtime.artifacts import MANIFEST
from tests.flows.processes import Running, lakebed

pytestmark = [pytest.mark.flow, pytest.mark.heavy]

ATTEMPTS = 4


class Changed:
    """A lake that has changed since the run on `artifacts`, and what a full run makes of it."""

    def __init__(self, origin, folder):
        self.folder, self.root = folder, folder / "artifacts"
        shutil.copytree(origin / "lake", folder / "lake")
        assert self.run("artifacts").status == 0
        self.before = {stage: self.keys(stage) for stage in ("inventory", "containment")}
        victim = max((folder / "lake").rglob("*.parquet"), key=lambda path: ("_delta_log" not in str(path), str(path)))
        rows = pq.read_table(victim)
        pq.write_table(rows.slice(0, rows.num_rows // 2), victim)
        self.wanted = self.run("full").digests

    def arguments(self, root):
        return ("run", "--lake", self.folder / "lake", "--artifacts", root, "--to", "containment", "--json")

    def run(self, root, *more):
        return lakebed(*self.arguments(root), *more, folder=self.folder)

    def keys(self, stage):
        return {path.name for path in (self.root / stage).iterdir()}

    def unfinished(self, stage):
        """The folders of the new artifact that have no manifest."""
        new = (self.root / stage / key for key in self.keys(stage) - self.before[stage])
        return [folder for folder in new if not (folder / MANIFEST).exists()]


@pytest.mark.parametrize(
    ("stage", "pattern"), [("inventory", ""), ("containment", "row_hashes/**/*.rows"), ("containment", "previous/*")]
)
def test_the_same_command_resumes(finished, tmp_path, stage, pattern):
    changed = Changed(finished[0], tmp_path)

    def is_there():
        return any(any(folder.glob(pattern)) if pattern else True for folder in changed.unfinished(stage))

    for _ in range(ATTEMPTS):
        with Running(*changed.arguments("artifacts"), folder=tmp_path) as run:
            run.wait_until(is_there, pause_s=0.001)
            run.kill()
        if is_there():
            break
        for path in changed.keys(stage) - changed.before[stage]:
            (changed.root / stage / path / MANIFEST).unlink(missing_ok=True)
    assert is_there()
    answer = changed.run("artifacts")
    assert answer.status == 0, answer.err
    assert answer.digests == changed.wanted
    (last,) = [entry for entry in answer.json["stages"] if entry["stage"] == "containment"]
    assert last["changes"]["tables_reused"] > 0
    assert changed.run("artifacts", "--full").digests == changed.wanted

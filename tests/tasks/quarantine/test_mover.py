import os

import pytest

from lakebed.connectors.errors import ArtifactError, PlanError
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.checks import moving_files
from lakebed.tasks.quarantine.mover import LocalMover, is_whole_at
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import make_receipt


@pytest.fixture
def ends(case):
    """A mover, and the receipt of a table that moves file by file."""
    quarantine = Quarantine.look(str(case.root), case.config)
    table = case.plan.table("mixed")
    moving = moving_files(quarantine, table)
    assert moving.layout == "files"
    return quarantine.mover, make_receipt(case.plan, table, moving, 0)


def test_layouts(case):
    quarantine = Quarantine.look(str(case.root), case.config)
    found = {name: moving_files(quarantine, case.plan.table(name)) for name in ("part", "days", "mixed", "delta")}
    assert {name: one.layout for name, one in found.items()} == {
        "part": "whole", "days": "whole", "mixed": "files", "delta": "whole",
    }  # fmt: skip
    assert "days/_SUCCESS" in {file.path for file in found["days"].files}
    assert any("_delta_log" in file.path for file in found["delta"].files)
    assert all(file.sha256 for one in found.values() for file in one.files)


def test_each_half_may_be_repeated(ends, case):
    mover, receipt = ends
    for _ in range(2):
        mover.copy(mover.aside(receipt))
        assert is_whole_at(mover.lake, receipt, is_back=True)
        assert is_whole_at(mover.quarantine, receipt, is_back=False)
    for _ in range(2):
        mover.drop(mover.aside(receipt))
        assert not is_whole_at(mover.lake, receipt, is_back=True)
    for _ in range(2):
        mover.copy(mover.back(receipt))
        mover.drop(mover.back(receipt))
    assert {path for path in case.snapshot() if "quarantine" not in path} == case.before.keys()


def test_nothing_is_overwritten(ends, case):
    mover, receipt = ends
    mover.copy(mover.aside(receipt))
    mover.drop(mover.aside(receipt))
    (case.root / "mixed" / "part-1.parquet").write_bytes(b"new")
    with pytest.raises(PlanError, match="something else lies"):
        mover.copy(mover.back(receipt))
    assert (case.root / "mixed" / "part-1.parquet").read_bytes() == b"new"


def test_a_file_replaced_before_the_drop_is_not_dropped(ends, case):
    mover, receipt = ends
    mover.copy(mover.aside(receipt))
    (case.root / "mixed" / "new").write_bytes(b"new")
    os.replace(case.root / "mixed" / "new", case.root / "mixed" / "part-0.parquet")
    with pytest.raises(PlanError, match="something else lies"):
        mover.drop(mover.aside(receipt))
    assert (case.root / "mixed" / "part-0.parquet").read_bytes() == b"new"


def test_a_file_that_is_nowhere_is_told(ends, case):
    mover, receipt = ends
    (case.root / "mixed" / "part-2.parquet").unlink()
    with pytest.raises(ArtifactError, match="neither at its place nor in quarantine"):
        mover.copy(mover.aside(receipt))


def test_without_hard_links_files_are_copied(ends, case, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    mover, receipt = ends
    assert isinstance(mover, LocalMover)
    mover.copy(mover.aside(receipt))
    mover.drop(mover.aside(receipt))
    mover.require_whole(mover.quarantine, receipt, is_back=False, with_bytes=True)
    mover.copy(mover.back(receipt))
    mover.drop(mover.back(receipt))
    assert {path: facts for path, facts in case.snapshot().items() if "quarantine" not in path} == case.before


def test_differences_are_named(ends, case):
    mover, receipt = ends
    path = case.root / "mixed" / "part-0.parquet"
    facts, data = path.stat(), path.read_bytes()
    path.write_bytes(data[::-1])
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    lake = Storage.at(str(case.root))
    mover.require_whole(lake, receipt, is_back=True, with_bytes=False)
    with pytest.raises(ArtifactError, match="not what its receipt says") as caught:
        mover.require_whole(lake, receipt, is_back=True, with_bytes=True)
    assert "part-0.parquet has other bytes" in caught.value.value

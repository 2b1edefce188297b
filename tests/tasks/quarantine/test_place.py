import os

import pytest

from lakebed.connectors.errors import ConfigError, PlanError
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.place import Quarantine, quarantine_root
from lakebed.tasks.runtime.lease import Lease
from tests.tasks.quarantine.test_apply import applied, restored


def test_it_lies_hidden_in_the_lake_or_in_a_folder_of_its_own():
    assert quarantine_root("/lake/", QuarantineConfig()) == "/lake/_lakebed_quarantine"
    assert quarantine_root("s3://bucket/lake", QuarantineConfig()) == "s3://bucket/lake/_lakebed_quarantine"
    one = quarantine_root("/a/lake", QuarantineConfig(folder="/aside"))
    two = quarantine_root("/b/lake", QuarantineConfig(folder="/aside"))
    assert one != two and one.startswith("/aside/lake-")


@pytest.mark.parametrize(
    ("lake", "folder", "reason"),
    [
        ("/lake", "/lake/aside", "a part of the lake"),
        ("/lake", "s3://bucket/aside", "another store"),
        ("s3://bucket/lake", "/aside", "another store"),
        ("s3://bucket/lake", "s3://other/aside", "another store"),
    ],
)
def test_a_folder_that_cannot_serve_is_refused(lake, folder, reason):
    with pytest.raises(ConfigError, match=reason):
        quarantine_root(lake, QuarantineConfig(folder=folder))
    assert quarantine_root("/lake", QuarantineConfig(folder="/lake/_aside")).startswith("/lake/_aside/")


def test_a_run_on_the_artifact_root_is_not_disturbed(case, tmp_path):
    artifacts = str(tmp_path / "artifacts")
    with Lease(artifacts, "a-run"):
        with pytest.raises(PlanError, match="another run works") as caught:
            with Quarantine.hold(str(case.root), case.config, "apply", artifacts):
                pass
    assert "a-run" in caught.value.value
    assert case.snapshot() == case.before


def test_data_that_the_journal_does_not_know_is_never_taken_away(case):
    applied(case)
    (case.root / "_lakebed_quarantine" / "journal.jsonl").unlink()
    with Quarantine.hold(str(case.root), case.config, "restore"):
        pass
    kept = [path for path in case.snapshot() if "/data/" in path]
    assert len(kept) >= 5


def test_a_foreign_file_keeps_the_folder(case):
    applied(case)
    (case.root / "_lakebed_quarantine" / "note.txt").write_text("mine")
    restored(case)
    assert (case.root / "_lakebed_quarantine" / "note.txt").read_text() == "mine"
    assert os.listdir(case.root / "_lakebed_quarantine") == ["note.txt"]

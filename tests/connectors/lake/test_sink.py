"""The log of Spark's streaming sink: which files are committed, and what is no log that can be trusted."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import list_lake
from lakebed.connectors.lake.sink import committed_files


def entry(path: str, action: str = "add", size: int = 4) -> str:
    return json.dumps({"path": path, "size": size, "isDir": False, "action": action})


def sink(root: Path, batches: Mapping[str, list[str]], folder: str = "s") -> dict[str, int]:
    """What is committed by batches of file names below the folder; a name with a minus is deleted."""
    log = root / folder / "_spark_metadata"
    log.mkdir(parents=True, exist_ok=True)
    for name, files in batches.items():
        place = f"{(root / folder).as_uri()}/"
        lines = [entry(place + file.lstrip("-"), "delete" if file.startswith("-") else "add") for file in files]
        (log / name).write_text("\n".join(["v1", *lines]))
    return committed_files(str(root), folder, [str(path.relative_to(root)) for path in log.iterdir()])


def test_batches_add_up_and_deleted_files_go(tmp_path: Path) -> None:
    assert set(sink(tmp_path, {"0": ["a", "b"], "1": ["day=1/c"], "2": ["-a"]})) == {"s/b", "s/day=1/c"}


def test_a_compact_batch_stands_for_all_before_it(tmp_path: Path) -> None:
    batches = {"8": ["lost"], "9.compact": ["a", "b"], "10": ["c"], "11": [], ".10.crc": ["x"], "12.tmp": ["x"]}
    assert set(sink(tmp_path, batches)) == {"s/a", "s/b", "s/c"}
    assert set(sink(tmp_path, {"19.compact": ["d"]})) == {"s/d"}


def test_names_are_unescaped_and_a_copied_sink_is_still_read(tmp_path: Path) -> None:
    assert set(sink(tmp_path / "lake", {"0": ["k=a%20b/x%2520.parquet"]}, "in/s")) == {"in/s/k=a b/x%20.parquet"}
    shutil.copytree(tmp_path / "lake", tmp_path / "copy")
    assert set(committed_files(str(tmp_path / "copy"), "in/s", ["in/s/_spark_metadata/0"])) == {
        "in/s/k=a b/x%20.parquet"
    }


def test_the_root_itself_may_be_a_sink(tmp_path: Path) -> None:
    assert set(sink(tmp_path, {"0": ["a"]}, "")) == {"a"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("0", "v2\n", "another version"),
        ("0", "v1\n{", "cannot be read"),
        ("0", "v1\n[1]", "cannot be read"),
        ("0", 'v1\n{"path": "x"}', "cannot be read"),
        ("0", f"v1\n{entry('file:///elsewhere/a')}", "elsewhere"),
        ("0", f"v1\n{entry('file:///x/s/../a')}", "elsewhere"),
        ("1", "v1\n", "a gap"),
    ],
)
def test_a_log_that_cannot_be_trusted_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    sink(tmp_path, {})
    (tmp_path / "s" / "_spark_metadata" / name).write_text(text)
    with pytest.raises(SourceError, match=reason):
        committed_files(str(tmp_path), "s", [f"s/_spark_metadata/{name}"])


def test_a_lake_reads_committed_files_only_and_lists_a_torn_sink(tmp_path: Path) -> None:
    sink(tmp_path, {"0": ["a.csv"]})
    sink(tmp_path, {"0": ["a.csv"]}, "torn")
    for path in ("s/a.csv", "s/b.csv", "torn/b.csv"):
        (tmp_path / path).write_text("a\n1\n")
    listing = list_lake(LakeConfig(root=str(tmp_path), split=("s",)))
    (table,) = discover(listing, LakeConfig(root=str(tmp_path))).tables
    assert (table.name, [file.path for file in table.files]) == ("s", ["s/a.csv"])
    (problem,) = listing.problems
    assert problem.name == "torn" and "torn/a.csv" in problem.reason

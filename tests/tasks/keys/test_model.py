"""The trees' file: what it says beside its numbers, and what happens without it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.keys import judge, stage
from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.kernel.features import FEATURES
from lakebed.tasks.keys.kernel.trees import Trees, raw_chances, tree_chances
from lakebed.tasks.keys.model import FILE, LICENCE, read_trees, write_trees

STUMP = Trees(
    feature=np.array([0, -1, -1]), threshold=np.array([0.5, 0, 0]), left=np.array([1, 0, 0]), right=np.array([2, 0, 0]),
    value=np.array([0.0, -2.0, 3.0]), roots=np.array([0]), bag=np.array([0]), bias=np.array([0.25]),
)  # fmt: skip


def test_the_file_names_its_licence_and_where_it_comes_from():
    held = json.loads(FILE.read_text())
    assert held["license"] == LICENCE
    assert "Spider" in held["notice"] and "MachineSpider" in held["notice"]
    notice = FILE.with_name("trees.LICENSE").read_text()
    assert "Tao Yu" in notice and "Attribution-ShareAlike 4.0 International" in notice
    assert stage.TREES == FILE


def test_trees_by_hand():
    features = np.zeros((2, len(FEATURES)))
    features[1, 0] = 1
    assert raw_chances(STUMP, features) == pytest.approx(1 / (1 + np.exp([1.75, -3.25])))
    moved = replace(STUMP, slope=2.0, offset=1.0)
    assert tree_chances(moved, features) == pytest.approx(1 / (1 + np.exp([2.5, -7.5])))


def test_what_is_written_is_read(tmp_path):
    write_trees(STUMP, tmp_path / "t.json")
    found = read_trees(tmp_path / "t.json")
    assert found is not None
    for name, value in vars(STUMP).items():
        assert np.array_equal(getattr(found, name), value), name


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"features": ["x"]}', FILE.read_text()[:5_000]])
def test_a_damaged_file_is_typed(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(ArtifactError, match="trees"):
        read_trees(tmp_path / "t.json")


def test_without_the_file_the_rule_decides_and_says_so(monkeypatch, tmp_path):
    assert read_trees(tmp_path / "none.json") is None
    assert judge.judge_of(KeysConfig()).name == "trees"
    monkeypatch.setattr(judge, "read_trees", lambda: None)
    found = judge.judge_of(KeysConfig())
    assert (found.name, found.trees) == ("rule", None)
    assert "no file of trees" in found.why

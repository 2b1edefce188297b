import pytest

from lakebed.flows.cli.demo import _differences, _print_check
from tests.flows.processes import lakebed


def test_an_unknown_lake_is_refused(tmp_path):
    answer = lakebed("demo", "--lake", "nope", "--json", folder=tmp_path)
    assert answer.status == 2
    assert answer.out.count("\n") == 1
    assert not (tmp_path / ".lakebed").exists()


def test_without_a_known_truth_nothing_is_compared(capsys):
    assert _differences(None, "nowhere") == []
    _print_check(None, [])
    assert capsys.readouterr().out == ""


def test_differences_are_said(capsys):
    _print_check(object(), ["a ⊆ b is missing"])
    assert "a ⊆ b is missing" in capsys.readouterr().out
    _print_check(object(), [])
    assert "no other" in capsys.readouterr().out


@pytest.mark.flow
def test_the_sample_lake_meets_its_truth(tmp_path):
    # as a user has it: the artifact root makes its own key
    own = {"LAKEBED_CONTAINMENT__HASH_KEY": ""}
    answer = lakebed("demo", "--folder", "demo", "--json", folder=tmp_path, **own)
    assert answer.status == 0, answer.err
    assert answer.json["differences"] == []
    assert answer.json["proven"] > 20
    engines = answer.json["engines"]
    assert [row["stage"] for row in engines] == ["inventory", "containment", "relations", "retention", "lakegraph"]
    assert all(row["is_equal"] and row["local_s"] > 0 for row in engines)
    again = lakebed("demo", "--folder", "demo", folder=tmp_path, **own)
    assert again.status == 0
    assert "checked against the known truth" in again.out
    assert "all artifacts are up to date" in again.err
    assert "By both engines" in again.out

"""What executors say of lake and artifact root; here in this process, on a real cluster in tests/infra."""

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark import roots
from lakebed.connectors.spark.roots import require_shared_roots


@pytest.fixture
def places(tmp_path):
    lake, artifacts = tmp_path / "lake", tmp_path / "artifacts"
    (lake / "sales").mkdir(parents=True)
    (lake / "sales" / "a.csv").write_text("n\n1\n")
    artifacts.mkdir()
    return lake, artifacts


def executors(monkeypatch, *before):
    """Each looks after its own change of the world."""

    def ask(_, look):
        answers = []
        for number, change in enumerate(before):
            change()
            answers.append({"host": f"host{number}", **look()})
        return answers

    monkeypatch.setattr(roots, "ask_executors", ask)


def nothing():
    pass


def test_shared_roots_are_fine_and_left_as_they_were(places, monkeypatch):
    executors(monkeypatch, nothing, nothing)
    require_shared_roots(None, *map(str, places))
    assert list(places[1].iterdir()) == []


def test_an_artifact_root_that_is_another_folder_there(places, monkeypatch):
    lake, artifacts = places

    def hide():
        artifacts.rename(artifacts.with_name("hidden"))
        artifacts.mkdir()

    executors(monkeypatch, hide)
    with pytest.raises(ConfigError, match="1 of the cluster's executors do not share the artifact root") as caught:
        require_shared_roots(None, str(lake), str(artifacts))
    assert caught.value.value == str(artifacts)
    assert caught.value.examples == ("host0: cannot read the file: there is no such file or folder",)


def test_what_an_executor_writes_must_arrive(places, monkeypatch):
    lake, artifacts = places
    hidden = artifacts.with_name("hidden")

    def ask(_, look):
        answer = {"host": "host0", **look()}
        artifacts.rename(hidden)
        return [answer]

    monkeypatch.setattr(roots, "ask_executors", ask)
    with pytest.raises(ConfigError) as caught:
        require_shared_roots(None, str(lake), str(artifacts))
    assert caught.value.examples == ("host0: what it writes there does not arrive",)


def test_a_lake_that_is_not_there_or_another(places, monkeypatch):
    lake, artifacts = places
    file = lake / "sales" / "a.csv"
    executors(monkeypatch, lambda: file.write_text("n\n1\n2\n"), file.unlink)
    with pytest.raises(ConfigError, match="2 of the cluster's executors do not share the lake") as caught:
        require_shared_roots(None, str(lake), str(artifacts))
    assert caught.value.examples == (
        "host0: sales/a.csv has 6 bytes, 4 at the driver",
        "host1: there is no sales/a.csv",
    )

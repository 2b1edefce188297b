import json

import pytest

from lakebed.answers import Answers
from lakebed.connectors.errors import ArtifactError
from lakebed.flows.cli.containments import containments
from tests.flows.lakes import EDGES
from tests.flows.processes import lakebed

KEYS = {"child", "parent", "semantics", "n_child_rows", "coincidental", "chance", "certificate"}


def test_an_empty_root_names_the_next_command(tmp_path):
    with pytest.raises(ArtifactError) as caught:
        containments(artifacts=str(tmp_path))
    assert "lakebed run" in caught.value.hint


@pytest.mark.flow
def test_one_object_a_line_and_edge(finished):
    folder, answer = finished
    listed = lakebed("containments", "--artifacts", "artifacts", "--json", folder=folder)
    assert (listed.status, listed.err) == (0, "")
    rows = [json.loads(line) for line in listed.out.splitlines()]
    assert {(row["child"], row["parent"]) for row in rows} == EDGES
    assert len(rows) == answer.json["proven"]
    for row in rows:
        assert row.keys() >= KEYS
        assert row["semantics"] == "set"
        assert isinstance(row["certificate"], dict) and row["certificate"]
        assert 0 <= row["chance"] <= 1
        assert row["coincidental"] is False
    assert {row["child"]: row["n_child_rows"] for row in rows} == {"names": 120, "orders_part": 100}


@pytest.mark.flow
def test_as_a_table(finished, capsys):
    folder, _ = finished
    containments(artifacts=str(folder / "artifacts"), coincidental=True)
    text = capsys.readouterr().out
    assert "2 proven containments" in text
    assert "orders_part" in text and "names" in text
    assert Answers(str(folder / "artifacts")).containments()[0].child == "names"

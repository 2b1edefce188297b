import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.flows.cli.search import joinable, search, similar
from tests.flows.processes import lakebed
from tests.tasks.search.lakes import HOSTILE


@pytest.fixture(scope="module")
def root(searchable):
    return str(searchable[0])


def test_one_object_a_neighbour(root, tmp_path):
    answer = lakebed("similar", "orders_2024", "--artifacts", root, "--k", "3", "--json", folder=tmp_path)
    assert answer.status == 0, answer.err
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert [list(row) for row in rows] == [["table", "share", "distance", "why"]] * 3
    assert rows[0]["table"] == "orders"


def test_an_unknown_name_says_which_is_near(root, tmp_path):
    answer = lakebed("joinable", "orders.citi", "--artifacts", root, "--json", folder=tmp_path)
    assert answer.status == 2
    assert "orders.city" in answer.json["hint"]
    assert "Traceback" not in answer.err


def test_in_words(root, capsys):
    joinable("orders.city", artifacts=root, k=2)
    assert "of the values, 40 in common" in capsys.readouterr().out
    similar("orders_2024", artifacts=root, k=2)
    text = capsys.readouterr().out
    assert "orders" in text and "id holds 100% of id" in text and text.index("share") < text.index("distance")
    search("city 17", artifacts=root, k=2)
    assert "city 17" in capsys.readouterr().out
    search("qqqqq", artifacts=root)
    assert "nothing is alike" in capsys.readouterr().out


def test_hostile_names_are_printed_as_text(root, capsys):
    similar("orders", artifacts=root, k=5)
    text = capsys.readouterr().out
    assert "<script>" in text
    assert HOSTILE not in text


def test_a_file_or_a_table_but_not_both(root, tmp_path, capsys):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": list(range(1_000, 1_050))}), path)
    similar(file=path, artifacts=root, k=2, as_json=True)
    assert json.loads(capsys.readouterr().out.splitlines()[0])["why"]["shared"] == 1.0
    for wrong in ({}, {"table": "orders", "file": path}):
        with pytest.raises(ConfigError, match="one thing"):
            similar(**wrong, artifacts=root)


def test_before_any_index(tmp_path):
    answer = lakebed("search", "x", "--artifacts", "none", "--json", folder=tmp_path)
    assert answer.status == 1
    assert "lakebed run" in answer.json["hint"]

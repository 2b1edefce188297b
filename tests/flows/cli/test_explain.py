import json

import pytest

from lakebed.connectors.errors import LakeError
from lakebed.flows.cli.explain import explain
from tests.flows.processes import lakebed


@pytest.mark.flow
def test_each_pair_has_its_verdict_and_reason(finished):
    folder, _ = finished
    answer = lakebed("explain", "orders_part", "--artifacts", "artifacts", "--json", folder=folder)
    assert answer.status == 0, answer.err
    assert answer.json["table"] == "orders_part"
    assert answer.json["n_rows"] == 100
    verdicts = {(pair["child"], pair["parent"]): pair["verdict"] for pair in answer.json["pairs"]}
    assert verdicts[("orders_part", "orders")] == "contained"
    assert verdicts[("names", "orders_part")] == "not contained"
    assert all(pair["reason"] for pair in answer.json["pairs"])


@pytest.mark.flow
def test_in_words(finished, capsys):
    folder, _ = finished
    explain("orders", artifacts=str(folder / "artifacts"))
    text = capsys.readouterr().out
    assert "orders: 300 rows" in text
    assert "names" in text and "contained" in text


@pytest.mark.flow
def test_a_table_that_is_not_there_is_a_typed_error(finished):
    folder, _ = finished
    with pytest.raises(LakeError, match="table") as caught:
        explain("nope", artifacts=str(folder / "artifacts"))
    assert caught.value.hint or caught.value.expected


@pytest.mark.flow
def test_a_table_that_cannot_be_read_is_named_with_its_reason(finished):
    folder, _ = finished
    answer = lakebed("explain", "broken", "--artifacts", "artifacts", "--json", folder=folder)
    assert answer.status == 1
    assert answer.json["error"] == "SourceError"
    assert "Traceback" not in answer.err


def test_before_any_run(tmp_path):
    answer = lakebed("explain", "x", "--artifacts", "none", "--json", folder=tmp_path)
    assert answer.status == 1
    assert "lakebed run" in json.loads(answer.out)["hint"]

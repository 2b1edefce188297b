import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.errors import ContractError
from lakebed.tasks.links.contract import CONTRACTS, NODE_METRICS, PREDICTIONS, RUNGS
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.checks import check_table


def test_every_table_of_the_stage_has_a_contract_of_its_name():
    assert LINKS.contracts == CONTRACTS
    assert {name: contract.name for name, contract in CONTRACTS.items()} == {
        name: f"links.{name}" for name in CONTRACTS
    }
    for contract in CONTRACTS.values():
        assert {*contract.key} <= {column.name for column in contract.columns}
        check_table(contract, contract.arrow_schema().empty_table())


def prediction(**changed):
    row = {
        "rank": 1, "source": 0, "target": 1, "kind": "column", "source_label": "a.x", "target_label": "b.y",
        "chance": 0.5, "evidence": "{}", "why": "",
    }  # fmt: skip
    return pa.Table.from_pylist([row | changed], schema=PREDICTIONS.arrow_schema())


@pytest.mark.parametrize("wrong", [{"chance": 1.2}, {"kind": "value"}, {"rank": 0}, {"source": None}])
def test_a_wrong_prediction_is_refused(wrong):
    check_table(PREDICTIONS, prediction())
    with pytest.raises(ContractError):
        check_table(PREDICTIONS, prediction(**wrong))


def test_one_prediction_a_pair_and_one_figure_a_metric():
    with pytest.raises(ContractError):
        check_table(PREDICTIONS, pa.concat_tables([prediction(), prediction(rank=2)]))
    figures = [{"position": 0, "rung": "gcn", "setting": "hard", "metric": "auc", "value": 0.5}] * 2
    with pytest.raises(ContractError):
        check_table(RUNGS, pa.Table.from_pylist(figures, schema=RUNGS.arrow_schema()))


def test_a_share_above_one_is_refused():
    row = {"node_id": 0, "degree": 1, "tc": None, "atc": 0.5, "decile": 0, "recall": 1.5}
    row |= {"train_likeness": None, "test_likeness": np.float64(0.1)}
    with pytest.raises(ContractError, match="recall"):
        check_table(NODE_METRICS, pa.Table.from_pylist([row], schema=NODE_METRICS.arrow_schema()))

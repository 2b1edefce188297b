import pyarrow as pa
import pytest

from lakebed.connectors.errors import ContractError
from lakebed.tasks.containment.contract import CANDIDATES, CONTRACTS, EDGES, FUNNEL
from lakebed.tasks.runtime.checks import check_table

FUNNEL_ROW = {"position": 0, "step": "schema", "n_pairs": 1, "n_tables": None}
CANDIDATE = {"child_id": 0, "parent_id": 1, "verdict": "refuted_by_rows", "n_compared": 3, "n_missing": 1} | {
    "fraction": 0.7,
    "fraction_low": 0.7,
    "fraction_high": 0.7,
}


def checked(contract, *rows):
    return check_table(contract, pa.Table.from_pylist(list(rows), schema=contract.arrow_schema()))


def test_contracts_are_named_after_their_tables():
    assert {f"containment.{name}" for name in CONTRACTS} == {contract.name for contract in CONTRACTS.values()}


@pytest.mark.parametrize(
    ("contract", "row", "change"),
    [
        (FUNNEL, FUNNEL_ROW, {"step": "guess"}),
        (FUNNEL, FUNNEL_ROW, {"n_pairs": -1}),
        (CANDIDATES, CANDIDATE, {"n_missing": 4}),
        (CANDIDATES, CANDIDATE, {"fraction": 1.1}),
        (CANDIDATES, CANDIDATE, {"verdict": "probably"}),
    ],
)
def test_rows_that_cannot_be_are_refused(contract, row, change):
    assert checked(contract, row).num_rows == 1
    with pytest.raises(ContractError):
        checked(contract, row | change)


def test_a_pair_is_listed_once():
    with pytest.raises(ContractError):
        checked(CANDIDATES, CANDIDATE, CANDIDATE)
    assert EDGES.key == CANDIDATES.key

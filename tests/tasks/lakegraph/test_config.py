import pytest
from pydantic import ValidationError

from lakebed.tasks.lakegraph.config import EdgeTableConfig, LakeGraphConfig
from lakebed.tasks.lakegraph.contract import CONTRACTS, EDGE_KINDS, NODE_KINDS


def test_one_column_is_no_edge_table():
    with pytest.raises(ValidationError, match="same column"):
        LakeGraphConfig(edge_table=EdgeTableConfig(table="t", source="a", target="a"))


@pytest.mark.parametrize("wrong", [{"floats": "some"}, {"damping": -1}, {"values_per_column": 0}, {"unknown": 1}])
def test_wrong_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        LakeGraphConfig(**wrong)


def test_kinds_of_the_contract_are_sorted_as_keys_are():
    assert list(NODE_KINDS) == sorted(NODE_KINDS)
    assert list(EDGE_KINDS) == sorted(EDGE_KINDS)
    assert CONTRACTS["edges"].key == ("source", "target")

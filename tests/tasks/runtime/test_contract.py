import pyarrow as pa
import pytest

from lakebed.connectors.errors import ContractError
from lakebed.tasks.runtime.contract import AtMostColumn, Column, Contract


def test_arrow_schema(edges):
    schema = edges.arrow_schema()
    assert schema.names == list(edges.names)
    assert schema.field("chance").nullable
    assert not schema.field("child").nullable


def test_the_suite_covers_every_rule(edges):
    kinds = [(e["type"], e["kwargs"].get("column")) for e in edges.expectations()]
    assert ("expect_table_columns_to_match_ordered_list", None) in kinds
    assert ("expect_column_values_to_not_be_null", "child") in kinds
    assert ("expect_column_values_to_not_be_null", "chance") not in kinds
    assert ("expect_compound_columns_to_be_unique", None) in kinds
    pair = next(e["kwargs"] for e in edges.expectations() if "pair" in e["type"])
    assert (pair["column_A"], pair["column_B"]) == ("n_parent", "n_child")
    assert sum(kind == "expect_column_values_to_be_between" for kind, _ in kinds) == 3


def test_markdown_has_each_column_and_escapes_bars(edges):
    page = edges.to_markdown()
    assert all(f"| `{name}` |" in page for name in edges.names)
    assert r"[a-z\|]+" in page
    assert "not digested" in page
    assert "- unique: `child`, `parent`" in page


@pytest.mark.parametrize("kind", [pa.uint8(), pa.timestamp("ns"), pa.struct([("a", pa.int8())]), pa.large_string()])
def test_a_type_that_delta_cannot_hold_is_refused(kind):
    with pytest.raises(ContractError, match="cannot hold"):
        Column("x", kind, "…")


def test_a_key_or_check_on_an_unknown_column_is_refused():
    column = Column("x", pa.int64(), "…")
    with pytest.raises(ContractError, match="lacks"):
        Contract("t", 1, "…", (column,), key=("y",))
    with pytest.raises(ContractError, match="lacks"):
        Contract("t", 1, "…", (column,), checks=(AtMostColumn("x", "y"),))
    with pytest.raises(ContractError, match="twice"):
        Contract("t", 1, "…", (column, column))


def test_spark_schema(edges):
    fields = edges.spark_schema().fields
    assert [field.name for field in fields] == list(edges.names)
    assert [field.nullable for field in fields] == [column.nullable for column in edges.columns]

import pyarrow as pa
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.runtime.contract import AtLeast, AtMost, AtMostColumn, Column, Contract, Matches, OneOf
from lakebed.tasks.runtime.workspace import Workspace

EDGES = Contract(
    "edges",
    1,
    "Proven edges.",
    (
        Column("child", pa.string(), "The contained table.", checks=(Matches("[a-z|]+"),)),
        Column("parent", pa.string(), "The table that contains it."),
        Column("n_child", pa.int64(), "Rows of the child.", unit="rows", checks=(AtLeast(0),)),
        Column("n_parent", pa.int64(), "Rows of the parent.", unit="rows"),
        Column("chance", pa.float64(), "Chance.", nullable=True, checks=(AtLeast(0), AtMost(1))),
        Column("semantics", pa.string(), "How rows are compared.", checks=(OneOf(("set", "bag")),)),
        Column("seen_ns", pa.int64(), "When it was seen.", unit="ns", is_digested=False),
    ),
    key=("child", "parent"),
    checks=(AtMostColumn("n_child", "n_parent"),),
)

ROW = {
    "child": "a",
    "parent": "b",
    "n_child": 1,
    "n_parent": 2,
    "chance": 0.5,
    "semantics": "set",
    "seen_ns": 7,
}


def edge_rows(n_rows):
    names = [chr(97 + i // 26) + chr(97 + i % 26) for i in range(n_rows)]
    return [ROW | {"child": name, "n_child": i, "n_parent": i + 1} for i, name in enumerate(names)]


@pytest.fixture
def edges():
    return EDGES


@pytest.fixture
def workspace(tmp_path):
    return Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path / "artifacts"), run_id="r1")

import pyarrow as pa
import pytest

from lakebed.answers import Answers, find_node
from lakebed.connectors.errors import ArtifactError, GraphError

NODES = pa.table(
    {
        "node_id": [0, 1, 2, 3],
        "kind": ["column", "column", "table", "value"],
        "key": ['column:["a","x"]', 'column:["b","x"]', "table:a", "value:00"],
        "label": ["x", "x", "a", "1"],
    }
)


@pytest.mark.parametrize(("name", "number"), [("table:a", 2), ("a", 2), ('column:["b","x"]', 1), ("1", 3), ("0", 0)])
def test_a_node_is_found_by_key_label_or_number(name: str, number: int) -> None:
    assert find_node(NODES, name) == number


def test_a_label_of_several_nodes_is_refused_with_their_keys() -> None:
    with pytest.raises(GraphError, match="several") as raised:
        find_node(NODES, "x")
    assert 'column:["b","x"]' in str(raised.value)


@pytest.mark.parametrize("name", ["A table", "", "4", "-1"])
def test_an_unknown_node_is_named(name: str) -> None:
    with pytest.raises(GraphError, match="no such node"):
        find_node(NODES, name)


def test_what_looks_alike_is_shown() -> None:
    with pytest.raises(GraphError) as raised:
        find_node(NODES, "X")
    assert 'column:["a","x"]' in raised.value.examples


def test_a_root_without_summary_says_so(tmp_path: object) -> None:
    with pytest.raises(ArtifactError, match="summary"):
        Answers(str(tmp_path)).neighbours("a")

"""Statistics that the data contradict."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.leaves import LeafArray
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.explain import explain_table
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.containment.trust import SUMMARY_KEY, Claim, RangeWatch, untrusted, without
from lakebed.tasks.encoding.order_keys import order_key
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace


@pytest.mark.parametrize(
    ("values", "kind", "low", "high", "is_lie"),
    [
        (pa.array([1, 2, None]), "number", 1, 2, False),
        (pa.array([1.0, float("nan"), 2.0]), "number", 1, 2, False),
        (pa.array([1, 3]), "number", 1, 2, True),
        (pa.array([0, 2]), "number", 1, 2, True),
        (pa.array(["b", "c"]), "string", b"b", b"c", False),
        (pa.array(["a", "c"]), "string", b"b", b"c", True),
        (pa.array(["b", None]).dictionary_encode(), "string", b"b", b"c", False),
        (pa.array(["a", None]).dictionary_encode(), "string", b"b", b"c", True),
        (pa.array([None, None], pa.int64()), "number", 1, 2, False),
    ],
)
def test_a_value_outside_of_its_claim(values, kind, low, high, is_lie):
    claim = Claim(kind, order_key(low, kind) or b"", order_key(high, kind, is_upper=True) or b"")
    watch = RangeWatch({"t": claim, "other": claim})
    for start in range(len(values)):
        watch.add({"t": LeafArray(values.slice(start, 1), None)})
    assert watch.outside() == (["t"] if is_lie else [])


def test_nulls_that_were_counted_otherwise_and_tables_that_were_not_read():
    scanned = pa.table(
        {
            "kind": ["values", "values", "outside", "values"],
            "table_id": pa.array([0, 0, 1, 2], pa.int32()),
            "token": ["a", "a", "b", "c"],
            "n": [1, 1, 0, 5],
        }
    )
    columns = pa.table({"table_id": pa.array([0, 1, 2], pa.int32()), "token": ["a", "b", "c"], "n_nulls": [1, 0, 4]})
    assert untrusted(scanned, columns, [2]) == {0: {"a"}, 1: {"b"}}
    assert untrusted(scanned, columns, [2], reused=[0]) == {1: {"b"}}
    assert without(columns, {0: {"a"}}, ["n_nulls", "min_lower"])["n_nulls"].to_pylist() == [None, 0, 4]


def test_a_wrong_count_of_nulls_refutes_no_true_pair_and_is_named(tmp_path, spark_config):
    (tmp_path / "lake").mkdir()
    table = pa.table({"id": ["a", None, "b", None]})
    for name in ("old", "new"):
        pq.write_table(table, tmp_path / "lake" / f"{name}.parquet")
    data = (tmp_path / "lake" / "old.parquet").read_bytes()
    assert pq.read_metadata(tmp_path / "lake" / "old.parquet").row_group(0).column(0).statistics.null_count == 2
    changed = _with_no_nulls(data)
    assert changed
    (tmp_path / "lake" / "old.parquet").write_bytes(changed)
    lake = LakeConfig(root=str(tmp_path / "lake"))
    space = Workspace(lake=lake, artifacts=str(tmp_path / "artifacts"), spark=spark_config)
    inventory = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    containment = run_stage(CONTAINMENT, Inputs.of(space, inventory, ContainmentConfig()))
    store = ArtifactStore(space.artifacts)
    found = {(row["child"], row["parent"]) for row in store.read(containment, "edges").to_pylist()}
    assert found == {("old", "new"), ("new", "old")}
    assert store.manifest(containment).summary[SUMMARY_KEY] == {"old": ['["id"]']}
    told = explain_table(store, inventory, containment, "new")
    assert {pair.verdict for pair in told.pairs} == {"contained"}
    # the next run reads the table again: it must not believe what this one found to be wrong
    pq.write_table(pa.table({"id": ["c"]}), tmp_path / "lake" / "other.parquet")
    inventory = run_stage(INVENTORY, Inputs.of(space, InventoryConfig()))
    later = run_stage(CONTAINMENT, Inputs.of(space, inventory, ContainmentConfig()))
    assert later != containment
    assert {(row["child"], row["parent"]) for row in store.read(later, "edges").to_pylist()} == found
    assert store.manifest(later).summary[SUMMARY_KEY] == {"old": ['["id"]']}


def _with_no_nulls(data):
    """The file with a footer that counts no nulls: the one byte that makes it so is looked for."""
    size = int.from_bytes(data[-8:-4], "little")
    for place in range(len(data) - 8 - size, len(data) - 8):
        if data[place] != 4:
            continue
        changed = data[:place] + b"\0" + data[place + 1 :]
        try:
            column = pq.read_metadata(pa.BufferReader(changed)).row_group(0).column(0)
            if column.statistics.null_count == 0 and column.num_values == 4 and column.statistics.max == "b":
                return changed
        except (OSError, AttributeError):
            continue
    return b""

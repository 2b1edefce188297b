import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.leaves import schema_leaves
from lakebed.connectors.lake.model import TableSource
from lakebed.connectors.lake.statistics import FileFacts, LeafStatistics, tight
from lakebed.tasks.encoding.order_keys import order_key
from lakebed.tasks.inventory.kernel import TableFacts, describe_tables, schema_digest, unify_schema


def file(path: str, schema: dict[str, pa.DataType], n_rows: int = 2, **values: tuple[int, int]) -> FileFacts:
    leaves = schema_leaves(pa.schema(list(schema.items())))
    statistics = LeafStatistics()
    for leaf in leaves:
        statistics.add(tight(*values[str(leaf.path[0])]), "tight", 0, 8)
    return FileFacts(path, 10, n_rows, [n_rows], [8], leaves, statistics)


def table(*files: FileFacts, name: str = "t", **settings: object) -> TableFacts:
    made = TableFacts(TableSource(name, "parquet", (), name), list(files), "arrow", **settings)  # type: ignore[arg-type]
    unify_schema(made)
    return made


def test_the_union_of_schemas_keeps_the_order_and_the_wider_type() -> None:
    made = table(
        file("a", {"x": pa.int32(), "y": pa.int8()}, x=(1, 2), y=(0, 0)),
        file("b", {"z": pa.int8(), "x": pa.float64()}, z=(5, 5), x=(7, 8)),
    )
    assert made.leaf_types == {'["x"]': pa.float64(), '["y"]': pa.int8(), '["z"]': pa.int8()}
    rows = describe_tables([made])
    x, y, _ = rows.columns
    assert (x["min_lower"], x["max_upper"], x["n_nulls"]) == (order_key(1, "number"), order_key(8, "number"), 0)
    assert (y["n_nulls"], y["n_bytes"]) == (2, 8)
    assert rows.tables[0]["n_rows"] == 4
    assert len(rows.file_bounds) == 6


@pytest.mark.parametrize(
    ("one", "other"),
    [(pa.int64(), pa.string()), (pa.date32(), pa.timestamp("us")), (pa.int8(), pa.struct([("q", pa.int8())]))],
)
def test_files_that_disagree_are_refused(one: pa.DataType, other: pa.DataType) -> None:
    with pytest.raises(SourceError):
        table(file("a", {"x": one}, x=(1, 2)), file("b", {"x": other}, x=(1, 2)))


def test_a_null_type_goes_with_every_type() -> None:
    made = table(file("a", {"x": pa.null()}, x=(1, 1)), file("b", {"x": pa.string()}, x=(1, 1)))
    assert made.leaf_types == {'["x"]': pa.string()}


def test_a_partition_column_hides_the_files_own() -> None:
    one = file("k=5/a", {"k": pa.int64(), "v": pa.int64()}, k=(9, 9), v=(1, 1))
    one.partition_values = (('["k"]', "5"),)
    rows = describe_tables([table(one, partition_types={'["k"]': pa.int64()})])
    assert [(c["token"], c["min_text"]) for c in rows.columns] == [('["v"]', "1"), ('["k"]', "5")]
    assert [row["value"] for row in rows.partition_values] == [order_key(5, "number")]


def test_tables_are_numbered_in_the_given_order_and_single_files_need_no_ranges() -> None:
    tables = [table(file("a", {"x": pa.int8()}, x=(1, 1)), name=name) for name in ("b", "a")]
    rows = describe_tables(tables)
    assert [(row["table_id"], row["name"]) for row in rows.tables] == [(0, "b"), (1, "a")]
    assert not rows.file_bounds


def test_schema_digests_do_not_depend_on_order_nor_on_boundaries() -> None:
    assert schema_digest(["a", "b"]) == schema_digest(["b", "a"])
    assert len({schema_digest(tokens) for tokens in (["ab"], ["a", "b"], [], ["a", "bc"], ["ab", "c"])}) == 5

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, JsonLines, ParquetParts
from lakebed.tasks.retention.recipes.digest import digest_table, strict_digest
from tests.tasks.retention.recipes.lakes import KEY, SmallLake

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, ""], "c": [0.5, 0.25, None]})


@pytest.mark.parametrize(
    "other",
    [
        TABLE.set_column(0, "a", pa.array([1, 2, 3], pa.int32())),
        TABLE.set_column(0, "a", pa.array([1.0, 2.0, 3.0])),
        TABLE.set_column(1, "b", pa.array(["x", "", ""])),
        TABLE.set_column(1, "b", pa.array(["x", None, ""], pa.large_string())),
        TABLE.slice(0, 2),
        pa.concat_tables([TABLE, TABLE.slice(0, 1)]),
        TABLE.select(["b", "a", "c"]),
        TABLE.rename_columns(["a", "b", "d"]),
    ],
)
def test_whatever_differs_is_seen(other: pa.Table) -> None:
    assert not strict_digest(TABLE, KEY).is_same_table(strict_digest(other, KEY))


def test_zeros_of_different_sign_differ_and_all_nans_are_one() -> None:
    digests = {strict_digest(pa.table({"x": [value]}), KEY).rows for value in (0.0, -0.0, float("nan"), -float("nan"))}
    assert len(digests) == 3


def test_order_is_told_but_does_not_make_another_table() -> None:
    one, other = strict_digest(TABLE, KEY), strict_digest(TABLE.take([2, 0, 1]), KEY)
    assert one.is_same_table(other) and one.sequence != other.sequence


def test_batches_do_not_matter() -> None:
    assert strict_digest(pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]), KEY) == strict_digest(TABLE, KEY)


def test_another_key_is_another_digest() -> None:
    assert strict_digest(TABLE, KEY).rows != strict_digest(TABLE, bytes(32)).rows


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(SourceError, match="without columns"):
        strict_digest(pa.table({}), KEY)


@pytest.mark.parametrize("layout", [None, ParquetParts(2), DeltaTable(2), CsvFile("|"), JsonLines(".jsonl.gz")])
def test_a_table_of_the_lake_has_the_digest_of_its_rows(small: SmallLake, layout: object) -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", None, "y"], "c": [0.5, 0.25, None]})
    small.put("t", table, layout)  # type: ignore[arg-type]
    assert digest_table(small.context, small.ref("t")).is_same_table(strict_digest(table, KEY))


def test_partition_columns_count(small: SmallLake) -> None:
    table = pa.table({"a": [1, 2, 3], "p": ["x", None, "y"]})
    small.put("t", table, HivePartitions(("p",)))
    assert digest_table(small.context, small.ref("t")).is_same_table(strict_digest(table, KEY))

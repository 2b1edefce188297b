import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.tasks.inventory.metadata import partition_type


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "2", None], pa.int64()),
        (["01", "02"], pa.int64()),
        (["01", "x"], pa.string()),
        (["1.5", "2"], pa.float64()),
        (["2020-01-02", "2020-02-30"], pa.string()),
        (["2020-01-02"], pa.date32()),
        ([None], pa.string()),
        (["9" * 25], pa.string()),
    ],
)
def test_a_type_is_taken_where_every_value_survives_it(texts: list[str | None], expected: pa.DataType) -> None:
    assert partition_type(texts) == expected


def test_the_config_overrides_and_must_fit() -> None:
    assert partition_type(["01"], "int64") == pa.int64()
    with pytest.raises(SourceError):
        partition_type(["x"], "int64")

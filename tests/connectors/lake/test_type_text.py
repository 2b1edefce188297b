import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.type_text import cast_text, column_type, type_from_text

FLAT = [
    pa.null(), pa.bool_(), pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.string(), pa.large_string(),
    pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(5), pa.date32(), pa.date64(),
    pa.time32("ms"), pa.time64("ns"), pa.duration("s"), pa.timestamp("ns"), pa.timestamp("us", "Europe/Berlin"),
    pa.decimal32(5, 2), pa.decimal64(12, 0), pa.decimal128(38, -2), pa.decimal256(60, 3),
]  # fmt: skip


@pytest.mark.parametrize("kind", FLAT, ids=str)
def test_a_type_comes_back_from_its_text(kind: pa.DataType) -> None:
    assert type_from_text(str(kind)) == kind


@pytest.mark.parametrize("text", ["list<item: int8>", "", "decimal"])
def test_another_text_is_a_source_error(text: str) -> None:
    with pytest.raises(SourceError):
        type_from_text(text)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("2020-01-02 03:04:05", pa.timestamp("us", "UTC"), 1577934245000000),
        ("2020-01-02T03:04:05+01:00", pa.timestamp("us", "UTC"), 1577930645000000),
        ("2020-01-02", pa.timestamp("us", "UTC"), 1577923200000000),
        ("1970-01-03", pa.date32(), 2),
        ("-5", pa.int8(), -5),
    ],
)
def test_text_becomes_a_value(text: str, kind: pa.DataType, expected: int) -> None:
    assert cast_text(pa.array([text, None]), kind).cast(
        pa.int64() if kind != pa.date32() else pa.int32()
    ).to_pylist() == [
        expected,
        None,
    ]


def test_bytes_of_text_and_names_of_config_types() -> None:
    assert cast_text(pa.array(["ab"]), pa.binary(2)).to_pylist() == [b"ab"]
    assert column_type("float64") == pa.float64()

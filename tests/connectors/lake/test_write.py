"""What is written reads back as what it was, through lakebed's own readers."""

import gzip
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.leaves import batch_leaves, schema_leaves
from lakebed.connectors.lake.text.renderings import rendered_type
from lakebed.connectors.lake.text.resolve import resolve_types
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.connectors.lake.text.types import cast_staged, timestamp_form
from lakebed.connectors.lake.write import (
    TextStyle,
    cell_texts,
    csv_text,
    json_text,
    parquet_bytes,
    rows_where,
    split_rows,
    text_bytes,
)


def csv_bytes(table, style, *, is_packed=False):
    return text_bytes(csv_text(table, style), style, is_packed=is_packed)


def json_bytes(table, style):
    return text_bytes(json_text(table, style), style)


TABLE = pa.table(
    {
        "n": pa.array([1, None, -3], pa.int64()),
        "x": [0.5, 1e-7, None],
        "s": ["", None, 'a "b"; c\nd'],
        "b": [True, None, False],
        "d": [date(2024, 1, 31), None, date(1, 1, 1)],
    }
)


def arrays_of(folder: Path, name: str, data: bytes, config: TextConfig | None = None) -> dict[str, pa.Array]:
    """The columns as inventory would see them, by token."""
    return {token: values for token, (values, _) in columns_of(folder, name, data, config).items()}


def columns_of(
    folder: Path, name: str, data: bytes, config: TextConfig | None = None
) -> dict[str, tuple[pa.Array, str]]:
    """The same, each with what its texts were read as."""
    (folder / name).write_bytes(data)
    format_ = "json" if ".json" in name else "csv"
    staged = folder / "staged.parquet"
    scan = scan_text_file(str(folder), name, format_, str(staged), config or TextConfig(), {})
    (batch,) = pq.read_table(staged).combine_chunks().to_batches()
    cells = batch_leaves(batch, schema_leaves(batch.schema))
    casts = {one.token: one.casts[0] or "" for one in resolve_types([scan])}
    return {token: (cast_staged(cells[token].values, cast), cast) for token, cast in casts.items()}


def read_back(folder: Path, name: str, data: bytes, config: TextConfig | None = None) -> dict[str, list[object]]:
    """Their values."""
    return {token: values.to_pylist() for token, values in arrays_of(folder, name, data, config).items()}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_csv_reads_as_it_was(tmp_path: Path, delimiter: str, line_end: str) -> None:
    style = TextStyle(delimiter=delimiter, names=tuple(TABLE.column_names), line_end=line_end)
    values = read_back(tmp_path, "t.csv", csv_bytes(TABLE, style))
    assert list(values.values()) == [column.to_pylist() for column in TABLE.columns]


def test_packed_csv_is_the_same_every_time(tmp_path: Path) -> None:
    style = TextStyle(delimiter=",", names=tuple(TABLE.column_names))
    data = csv_bytes(TABLE, style, is_packed=True)
    assert data == csv_bytes(TABLE, style, is_packed=True)
    assert gzip.decompress(data) == csv_bytes(TABLE, style)
    assert list(read_back(tmp_path, "t.csv.gz", data).values()) == [column.to_pylist() for column in TABLE.columns]


def test_words_for_null_are_quoted_where_they_are_values(tmp_path: Path) -> None:
    table = pa.table({"a": ["NA", None, "x"], "b": ["", "NA", None]})
    style = TextStyle(delimiter=",", names=("a", "b"), null_text="NA", null_values=("NA",))
    data = csv_bytes(table, style)
    assert data == b'a,b\n"NA",\nNA,"NA"\nx,NA\n'
    config = TextConfig(null_values=("NA",), header="yes")
    assert list(read_back(tmp_path, "t.csv", data, config).values()) == [["NA", None, "x"], ["", "NA", None]]


def test_csv_without_header_and_in_another_encoding(tmp_path: Path) -> None:
    table = pa.table({"c1": ["ä", "ö"], "c2": [1, 2]})
    data = csv_bytes(table, TextStyle(delimiter=";", encoding="latin-1"))
    assert data == "ä;1\nö;2\n".encode("latin-1")
    values = read_back(tmp_path, "t.csv", data, TextConfig(encoding="latin-1", header="no"))
    assert list(values.values()) == [["ä", "ö"], [1, 2]]


def test_characters_without_a_place_in_the_encoding_are_refused() -> None:
    with pytest.raises(ConfigError, match="no place in the encoding"):
        csv_bytes(pa.table({"a": ["€"]}), TextStyle(delimiter=",", encoding="latin-1"))


def test_a_byte_order_mark_is_kept(tmp_path: Path) -> None:
    data = csv_bytes(pa.table({"a": [1]}), TextStyle(delimiter=",", names=("a",), has_byte_order_mark=True))
    assert data.startswith(b"\xef\xbb\xbfa")
    assert read_back(tmp_path, "t.csv", data) == {'["a"]': [1]}


@example([("False", 0.0)])
@example([("1e-07", 0.0), ("100000.5", 0.0)])
@given(st.lists(st.tuples(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
                          st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=8))  # fmt: skip
def test_any_text_and_number_survive_csv(rows: list[tuple[str, float]]) -> None:
    import tempfile

    table = pa.table({"t": pa.array([text for text, _ in rows]), "x": pa.array([x + 0.0 for _, x in rows])})
    with tempfile.TemporaryDirectory() as folder:
        data = csv_bytes(table, TextStyle(delimiter=",", names=("t", "x")))
        found = columns_of(Path(folder), "t.csv", data, TextConfig(delimiter=",", header="yes"))
    (texts, cast), (numbers, _) = found.values()
    form = timestamp_form(rows[0][0]) if pa.types.is_timestamp(texts.type) else cast if rendered_type(cast) else ""
    assert cell_texts(texts, form).to_pylist() == table["t"].to_pylist()
    assert [float(number) for number in numbers.to_pylist()] == table["x"].to_pylist()


def test_json_reads_as_it_was(tmp_path: Path) -> None:
    struct = pa.struct([("u", pa.int64()), ("v", pa.struct([("w", pa.string())]))])
    table = pa.table(
        {
            "n": pa.array([1, None, -3], pa.int64()),
            "x": [0.5, 31.0, None],
            "s": ['q"\\\n', None, "é\u0001"],
            "o": pa.array([{"u": 1, "v": {"w": "x"}}, None, {"u": None, "v": None}], struct),
            "l": pa.array([[1, 2], None, []], pa.list_(pa.int64())),
            "nothing": pa.array([None, None, None], pa.string()),
        }
    )
    for omits in (False, True):
        values = read_back(tmp_path, "t.jsonl", json_bytes(table, TextStyle(omits_nulls=omits)))
        assert values['["n"]'] == [1, None, -3]
        assert values['["x"]'] == [0.5, 31, None]
        assert values['["s"]'] == table["s"].to_pylist()
        assert values['["l"]'] == table["l"].to_pylist()
        assert values['["nothing"]'] == [None] * 3


def test_raw_json_is_not_quoted_again() -> None:
    table = pa.table({"a": ["1.0", None], "b": ["1.0", "x"]})
    assert json_bytes(table, TextStyle(raw=('["a"]',))) == b'{"a":1.0,"b":"1.0"}\n{"a":null,"b":"x"}\n'


@pytest.mark.parametrize(
    "text", ["2024-01-31 10:20:30", "2024-01-31T10:20:30.123Z", "2024-01-31T10:20", "2024-01-31 10:20:30.000001"]
)
def test_timestamps_are_written_in_their_form(text: str) -> None:
    plain = text.rstrip("Z").replace("T", " ")
    values = pa.array([datetime.fromisoformat(plain), None], pa.timestamp("us"))
    assert cell_texts(values, timestamp_form(text)).to_pylist() == [text, None]


def test_parquet_keeps_the_schema() -> None:
    schema = pa.schema([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.large_string())], {"k": "v"})
    table = pa.table([pa.array([1], pa.int32()), pa.array(["x"], pa.large_string())], schema=schema)
    assert pq.read_table(pa.BufferReader(parquet_bytes(table))).schema.equals(schema, check_metadata=True)


def test_rows_are_cut_and_chosen() -> None:
    table = pa.table({"a": [1, 2, None, 2], "b": [1, 2, 3, 4]})
    assert [part["b"].to_pylist() for part in split_rows(table, [1, 0, 3])] == [[1], [], [2, 3, 4]]
    assert rows_where(table, {"a": pa.scalar(2)})["b"].to_pylist() == [2, 4]
    assert rows_where(table, {"a": pa.scalar(None, pa.int64())})["b"].to_pylist() == [3]
    assert pc.sum(rows_where(table, {})["b"]).as_py() == 10

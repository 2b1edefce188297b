import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.text import json_lines as text_json
from lakebed.connectors.lake.text.json_text import RawJson, json_text
from lakebed.connectors.lake.text.model import Bounds, TextScan
from lakebed.connectors.lake.text.resolve import resolve_types
from lakebed.connectors.lake.text.scan import scan_text_file

if TYPE_CHECKING:
    from collections.abc import Callable


def scan(folder: Path, data: str | bytes, name: str = "t.jsonl", types: dict[str, str] | None = None) -> TextScan:
    data = data.encode() if isinstance(data, str) else data
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return scan_text_file(str(folder), name, "json", str(folder / "staged"), TextConfig(), types or {})


def staged(folder: Path) -> pa.Table:
    return pq.ParquetFile(folder / "staged").read()


def column(folder: Path, *lines: str) -> tuple[str, list[object]]:
    """Type and values of the column v that the given JSON values make."""
    scan(folder, "".join(f'{{"v":{line}}}\n' for line in lines))
    table = staged(folder)
    return str(table.schema.field("v").type), table.column("v").to_pylist()


def test_json_lines_become_staged_parquet(tmp_path: Path) -> None:
    found = scan(tmp_path, '{"n":1,"s":"2020-01-01","o":{"x":1.5,"y":null},"l":[1,2]}\n\n{"l":null,"o":null,"n":2}\n')
    assert staged(tmp_path).to_pylist() == [
        {"n": 1, "s": "2020-01-01", "o": {"x": 1.5, "y": None}, "l": [1, 2]},
        {"n": 2, "s": None, "o": None, "l": None},
    ]
    assert [(c.token, c.kind, c.n_nulls) for c in found.columns] == [
        ('["n"]', "int", 0),
        ('["s"]', "string", 1),
        ('["o","x"]', "float", 1),
        ('["o","y"]', "null", 2),
        ('["l"]', "list", 1),
    ]
    assert found.columns[0].candidates == {"int64": Bounds(1, 2), "float64": Bounds(1.0, 2.0)}
    assert [str(c.type) for c in resolve_types([found])] == [
        "int64", "date32[day]", "double", "string", "list<item: int64>",
    ]  # fmt: skip
    assert (found.n_rows, found.format) == (2, "json")


@pytest.mark.parametrize(
    ("lines", "type_", "values"),
    [
        (["1", "null", "-5"], "int64", [1, None, -5]),
        (["1", "2.5"], "double", [1.0, 2.5]),
        (["1", "2.50"], "string", ["1", "2.50"]),
        (["1.0"], "string", ["1.0"]),
        (["1e5", "2"], "string", ["1e5", "2"]),
        (["-0"], "string", ["-0"]),
        (["0.00000012"], "double", [1.2e-7]),
        (["9223372036854775808"], "string", ["9223372036854775808"]),
        (["9007199254740993", "0.5"], "string", ["9007199254740993", "0.5"]),
        (["1234567890123456789", "1"], "int64", [1234567890123456789, 1]),
        (["0.1234567890123456"], "double", [0.1234567890123456]),
        (["0.12345678901234567891"], "string", ["0.12345678901234567891"]),
        (["true", "null"], "bool", [True, None]),
        (['"2020-01-01"', '"2020-01-02T00:00:00Z"'], "string", ["2020-01-01", "2020-01-02T00:00:00Z"]),
        (['"2020-01-01"', '"1.0"', '"007"'], "string", ["2020-01-01", "1.0", "007"]),
        (['""', "null"], "string", ["", None]),
        (["1", '"1"'], "string", ["1", '"1"']),
        (["true", "1.0"], "string", ["true", "1.0"]),
        (['{"b":1,"a":null}', "[1]", "null"], "string", ['{"b":1}', "[1]", None]),
        (['{"z":1,"a":"é\\n"}', "1"], "string", ['{"a":"é\\n","z":1}', "1"]),
        (["[1,2]", "[]"], "list<element: int64>", [[1, 2], []]),
        (["[1.0]", "[2]"], "string", ["[1.0]", "[2]"]),
        (['[1,"x"]'], "string", ['[1,"x"]']),
        (['["2020-01-01"]'], "list<element: string>", [["2020-01-01"]]),
        (['[{"t":"2020-01-01"}]'], "list<element: struct<t: string>>", [[{"t": "2020-01-01"}]]),
        (["{}", "{}"], "string", ["{}", "{}"]),
        (['{"x":1}', "{}"], "struct<x: int64>", [{"x": 1}, {"x": None}]),
        (["[{}]"], "string", ["[{}]"]),
        (["null"], "null", [None]),
        (['"x, 1.0]"', '"é"'], "string", ["x, 1.0]", "é"]),
    ],
)
def test_types_of_columns(tmp_path: Path, lines: list[str], type_: str, values: list[object]) -> None:
    assert column(tmp_path, *lines) == (type_, values)


def test_numbers_inside_strings_do_not_matter(tmp_path: Path) -> None:
    scan(tmp_path, '{"s":"x, 1.0] \\" :-0,","n":1.5}\n')
    assert staged(tmp_path).to_pylist() == [{"s": 'x, 1.0] " :-0,', "n": 1.5}]


def test_only_the_column_with_a_suspicious_literal_stays_text(tmp_path: Path) -> None:
    scan(tmp_path, '{"a":1.50,"b":1.5,"o":{"c":2}}\n')
    assert staged(tmp_path).to_pylist() == [{"a": "1.50", "b": 1.5, "o": {"c": 2}}]


def test_blocks_of_several_shapes_are_united(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_json, "BLOCK_BYTES", 16)
    lines = [
        '{"a":1,"t":"x","m":1}',
        '{"a":2.5,"t":"2020-01-01","m":"q"}',
        '{"a":3,"n":{"x":[1]},"m":{"k":1.5,"j":null}}',
    ]
    scan(tmp_path, "\n".join(lines))
    assert staged(tmp_path).to_pylist() == [
        {"a": 1.0, "t": "x", "m": "1", "n": None},
        {"a": 2.5, "t": "2020-01-01", "m": '"q"', "n": None},
        {"a": 3.0, "t": None, "m": '{"k":1.5}', "n": {"x": [1]}},
    ]
    scan(tmp_path, "\n".join([*lines, '{"a":1e3}']))
    assert staged(tmp_path).column("a").to_pylist() == ["1", "2.5", "3", "1e3"]


def test_columns_keep_the_order_of_their_first_appearance(tmp_path: Path) -> None:
    scan(tmp_path, '{"z":1,"when":"2020-01-01","a":{"q":2,"d":"2020-01-01"}}\n')
    assert staged(tmp_path).schema.names == ["z", "when", "a"]
    assert [field.name for field in staged(tmp_path).schema.field("a").type] == ["q", "d"]


def test_gzip_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    found = scan(tmp_path, b'\xef\xbb\xbf{"a":1}\r\n{"a":2}\r\n', "t.ndjson.gz")
    assert (found.n_rows, staged(tmp_path).column("a").to_pylist()) == (2, [1, 2])
    assert scan(tmp_path, '{"a":"é"}\n'.encode("utf-16")).columns[0].candidates == {"string": Bounds("é", "é")}


def test_types_given_by_the_config(tmp_path: Path) -> None:
    found = scan(tmp_path, '{"a":1.0,"o":{"b":1}}\n{"a":1e5,"o":null}\n', types={"a": "float64", '["o","b"]': "string"})
    assert [str(c.type) for c in resolve_types([found])] == ["double", "string"]
    assert found.columns[0].candidates == {"float64": Bounds(1.0, 1e5)}
    assert found.columns[1].candidates == {"string": Bounds("1", "1")}
    with pytest.raises(SourceError, match=r"data row 2 of column 'a' is no date[\s\S]*'x'"):
        scan(tmp_path, '{"a":"2020-01-01"}\n{"a":"x"}\n', types={"a": "date"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file: no rows"),
        (b" \n\n", "only white space"),
        (b'[[{"a":1}]]\n', "line 1[\\s\\S]*an array instead of an object"),
        (b'{"a":1}\n\n{"a":\n', "line 3"),
        (b'{"a":1}\n' * 700_000 + b"oops\n", "line 700001"),
        (b'{\n  "a": 1,\n}\n', "line 1"),
        (b'{"a":1},{"a":2}\n', "line 1[\\s\\S]*a comma too many"),
        (b'{"a":1,"a":2}\n', "line 1[\\s\\S]*the key 'a' comes twice"),
        (b'{"a":NaN}\n', "NaN is no JSON"),
        (b'{"a":Infinity}\n', "Infinity is no JSON"),
        (b'{"a":"\\ud800"}\n', "no Unicode text"),
        (b'{"a":"\xc3\xa9"}\n{"a":"\xe9"}\n', "byte 0xe9 in line 2"),
        (b'{"a":"\0"}\n', "NUL bytes"),
        (b"{}\n{}\n", "no columns"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "nested too deeply"),
        (b'{"a":' + b'{"b":' * 50_000 + b"1" + b"}" * 50_000 + b"}\n", "nested too deeply"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        scan(tmp_path, data)
    assert caught.match(message)
    assert "t.jsonl" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["t.jsonl"]


def test_a_line_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_json, "BLOCK_BYTES", 1 << 10)
    assert scan(tmp_path, '{"a":"' + "x" * 100_000 + '"}\n{"a":"y"}\n').n_rows == 2
    monkeypatch.setattr(text_json, "MAX_LINE_BYTES", 1 << 14)
    with pytest.raises(SourceError, match=r"a line of t\.jsonl is longer"):
        scan(tmp_path, '{"a":"' + "x" * 100_000 + '"}\n')


NUMBER = st.integers(-(2**70), 2**70).map(str) | st.from_regex(
    r"-?(0|[1-9][0-9]{0,4})(\.[0-9]{1,18})?([eE]-?[0-9])?", fullmatch=True
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(["2020-01-01", "1.0", ", 1.0]"])
SCALARS = {"number": NUMBER.map(RawJson), "string": TEXT, "bool": st.booleans(), "int": st.integers(-99, 99).map(str).map(RawJson)}  # fmt: skip # noqa: E501
ANY = st.recursive(
    st.one_of(st.none(), *SCALARS.values()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
COLUMN = st.sampled_from([*SCALARS.values(), ANY, st.lists(SCALARS["int"], max_size=2)])


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, object]]:
    columns = draw(st.dictionaries(st.sampled_from(["k", "l", "m.n", "é"]), COLUMN, min_size=1))
    cells = {name: st.none() | cell for name, cell in columns.items()}
    found: list[dict[str, object]] = draw(st.lists(st.fixed_dictionaries({}, optional=cells), min_size=1, max_size=8))
    return found


@settings(max_examples=120, deadline=None)
@given(rows().filter(any), st.sampled_from([8, 64, 1 << 20]))
def test_every_value_survives(objects: list[dict[str, object]], block_bytes: int) -> None:
    """Whatever the column types become, each cell's canonical text is that of the value that was written."""
    text = "".join(json_text_with_nulls(row) + "\n" for row in objects)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_json, "BLOCK_BYTES", block_bytes)
        found = scan(Path(folder), text)
        kinds = {column.token: column.kind for column in found.columns}
        restored = [restore(row, kinds, ()) for row in staged(Path(folder)).to_pylist()]
    assert [without_nulls(row) for row in restored] == [without_nulls(json.loads(json_text(row), parse_int=RawJson, parse_float=RawJson)) for row in objects]  # fmt: skip # noqa: E501


def json_text_with_nulls(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{json_text_with_nulls(v)}" for k, v in value.items()) + "}"
    return "[" + ",".join(map(json_text_with_nulls, value)) + "]" if isinstance(value, list) else json_text(value)


def restore(value: object, kinds: dict[str, str], path: tuple[str, ...]) -> object:
    """A staged cell as the JSON value it came from, numbers as their literals."""
    kind = kinds.get(json.dumps(list(path), ensure_ascii=False, separators=(",", ":")))
    if value is None or kind is None:
        return {k: restore(v, kinds, (*path, k)) for k, v in value.items()} if isinstance(value, dict) else None
    parse: dict[str, Callable[[str], object]] = {
        "json": lambda text: json.loads(text, parse_int=RawJson, parse_float=RawJson),
        "number_text": RawJson,
        "string": str,
    }
    if kind in parse:
        return parse[kind](str(value))
    return json.loads(json_text(value), parse_int=RawJson, parse_float=RawJson)


def without_nulls(value: object) -> object:
    """Members that are null or objects without any other are left out: staged columns do not tell these apart."""
    if isinstance(value, list):
        return [without_nulls(item) if item is not None else None for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: without_nulls(member) for name, member in value.items()}
    return {name: member for name, member in kept.items() if member is not None and member != {}}

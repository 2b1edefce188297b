"""JSON that is not one object a line, and what is no table at all."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.text import json_values
from lakebed.connectors.lake.text.scan import scan_text_file


def rows(folder: Path, text: str | bytes) -> list[dict[str, object]]:
    (folder / "t.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    scan_text_file(str(folder), "t.json", "json", str(folder / "out.parquet"), TextConfig(), {})
    found: list[dict[str, object]] = pq.read_table(folder / "out.parquet").to_pylist()
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
        ('[\n  {"a": 1,\n   "b": "x]}"},\n  {"a": 2, "b": null}\n]\n', [{"a": 1, "b": "x]}"}, {"a": 2, "b": None}]),
        ('{\n  "a": {\n    "b": [1,\n 2]}\n}\n', [{"a": {"b": [1, 2]}}]),
        ('{\n "a": 1\n}{"a":2}\n{"a":3}', [{"a": 1}, {"a": 2}, {"a": 3}]),
        ('{"a":1} {"a":2}\n\n \n{"a":3}\n', [{"a": 1}, {"a": 2}, {"a": 3}]),
        ('\ufeff[{"a":"\\"["}]', [{"a": '"['}]),
        ('[{"a":18446744073709551616}]', [{"a": "18446744073709551616"}]),
        ('{"a":1}\r\n\r\n{"a":2}\r\n', [{"a": 1}, {"a": 2}]),
    ],
)  # fmt: skip
def test_objects_wherever_they_lie(tmp_path: Path, text: str, found: list[dict[str, object]]) -> None:
    assert rows(tmp_path, text) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("null", "line 1 null instead of an object"),
        ("null\nnull\n", "line 1 null instead of an object"),
        ('{"a":1}\nnull\n', "line 2 null instead of an object"),
        ("5\n", "line 1 a number instead of an object"),
        ('"x"\n', "line 1 a string instead of an object"),
        ("true\n", "line 1 true instead of an object"),
        ("[1,2]", "line 1 a number instead of an object"),
        ('{"a":1}\n[1]\n', "line 2 an array instead of an object"),
        ("[]", "line 1 an empty array"),
        ('[{"a":1},]', "line 1 a comma too many"),
        ('[{"a":1}\n{"a":2}]', "line 2 no comma between two objects"),
        ('[{"a":1}', "line 1 the array is not closed"),
        ('{"a":1}\n{"a":2\n{"a":3}', "line 2 an object is not closed"),
        ('{"a":"x\ny"}', "line 1 a string is not closed"),
        ('[\n{"a":1},\n{"a":1,"a":2}]', "line 3 the key 'a' comes twice"),
        ('[{"a":1}]\n[{"a":2}]', "line 2 an array behind the array"),
        ('{"a":1}}', "line 1 } closes nothing"),
        ("oops", "line 1 no JSON instead of an object"),
    ],
)
def test_what_is_no_table_has_its_line_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SourceError) as caught:
        rows(tmp_path, text)
    assert f"{caught.value.what} {caught.value.value}" == f"cannot read t.json as JSON: {reason}"


@pytest.mark.parametrize("depth", [30, 45, 60, 99, 150])
@pytest.mark.parametrize(("left", "right"), ["[]", ('{"a":', "}"), ('[{"b":', "}]")])
def test_deep_values_are_text_from_some_depth_on(tmp_path: Path, depth: int, left: str, right: str) -> None:
    value = left * (depth // (2 if left.startswith("[{") else 1))
    text = value + "1" + right * value.count(left)
    (row,) = rows(tmp_path, f'{{"v":{text},"w":2}}\n')
    assert row["w"] == 2


def test_a_value_that_is_too_deep_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 2[\s\S]*nested too deeply: more than 200 levels"):
        rows(tmp_path, '{"v":1}\n{"v":' + '[{"x":' * 150 + "1" + "}]" * 150 + "}\n")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "[", '"']), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=1, max_size=5), st.integers(0, 2), st.integers(1, 40))
def test_the_same_objects_in_any_layout_are_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, values: list[object], indent: int, block_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("json")
    objects = [{"v": value, "n": number} for number, value in enumerate(values)]
    lines = rows(folder, "\n".join(map(json.dumps, objects)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "BLOCK_BYTES", block_bytes)
        assert rows(folder, json.dumps(objects, indent=indent or None)) == lines
        assert rows(folder, "".join(json.dumps(one, indent=2) for one in objects)) == lines

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from lakebed.results import SHOWN_CHARS, SHOWN_ROWS, Result
from tests.tasks.search.lakes import HOSTILE


@dataclass(frozen=True)
class Thing:
    name: str
    n: int
    share: float | None
    is_big: bool
    parts: tuple[str, ...]
    why: dict[str, Any]
    proof: dict[str, Any] = field(repr=False)


def thing(name="a", share=0.5):
    return Thing(name, 1, share, True, ("x", "y"), {"k": [1, "ü"]}, {"secret": "s"})


SCHEMA = pa.schema(
    [
        ("name", pa.string()), ("n", pa.int64()), ("share", pa.float64()), ("is_big", pa.bool_()),
        ("parts", pa.list_(pa.string())), ("why", pa.string()), ("proof", pa.string()),
    ]
)  # fmt: skip


def test_it_is_a_sequence_of_its_rows():
    found = Result(Thing, (thing(name) for name in "abc"), "things")
    assert len(found) == 3 and [row.name for row in found] == ["a", "b", "c"]
    assert found[-1].name == "c" and thing("b") in found
    assert isinstance(found[1:], Result) and [row.name for row in found[1:]] == ["b", "c"]
    assert repr(found) == "<things: 3 Thing>"
    assert not Result(Thing, [])


def test_arrow_has_the_same_types_whatever_the_rows():
    table = Result(Thing, [thing(share=None)]).to_arrow()
    assert table.schema == Result(Thing, []).to_arrow().schema == SCHEMA
    (row,) = table.to_pylist()
    assert row == {
        "name": "a", "n": 1, "share": None, "is_big": True, "parts": ["x", "y"], "why": '{"k": [1, "ü"]}',
        "proof": '{"secret": "s"}',
    }  # fmt: skip


def test_a_data_frame():
    frame = Result(Thing, [thing("a"), thing("b")]).to_pandas()
    assert frame.name.tolist() == ["a", "b"] and frame.n.sum() == 2
    assert list(Result(Thing, []).to_pandas().columns) == SCHEMA.names


def test_names_of_the_lake_are_text_in_a_notebook():
    html = Result(Thing, [thing(HOSTILE + "\x1b[2J\u202e")], HOSTILE)._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "\x1b" not in html and "\u202e" not in html
    assert "secret" not in html and "<th>proof</th>" not in html


@pytest.mark.parametrize("n", [0, SHOWN_ROWS, SHOWN_ROWS + 1_234])
def test_a_notebook_shows_a_bounded_part(n):
    html = Result(Thing, [thing("v" * 10_000)] * n)._repr_html_()
    assert html.count("<tr>") == min(n, SHOWN_ROWS) + 1
    assert ("… and 1,234 more" in html) is (n > SHOWN_ROWS)
    assert html.count("v" * SHOWN_CHARS + "…") == min(n, SHOWN_ROWS)
    assert "v" * (SHOWN_CHARS + 1) not in html

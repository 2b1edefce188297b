import re
from typing import NamedTuple

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.layouts import TextFile
from lakebed.tasks.retention.recipes.digest import digest_table
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.write import verify
from tests.tasks.retention.recipes.lakes import SmallLake

NOTHING = pa.table({})


@pytest.mark.parametrize(
    ("text", "ending", "facts"),
    [
        ("a;b\r\n1;x\r\n", ".csv", {"delimiter": ";", "has_header": True, "line_end": "\r\n", "names": ("a", "b")}),
        ("1\tx\n2\ty\n", ".tsv", {"delimiter": "\t", "has_header": False, "line_end": "\n"}),
        ("\ufeffa,b\n1,x\n", ".csv", {"has_byte_order_mark": True}),
        ("at,n\n2024-01-02T03:04Z,1\n", ".csv", {"delimiter": ","}),
    ],
)
def test_the_dialect_of_csv_is_seen(small: SmallLake, text: str, ending: str, facts: dict[str, object]) -> None:
    small.put("t", NOTHING, TextFile("csv", text, ending))
    dialect = TableReader(small.lake, small.ref("t")).describe().dialect
    assert dialect is not None
    assert facts.items() <= dialect.model_dump().items()
    assert [token for token, _ in dialect.forms] == (['["at"]'] if "at" in text else [])


def test_the_dialect_of_json_is_seen(small: SmallLake) -> None:
    small.put("t", NOTHING, TextFile("json", '{"n":1.0,"s":"1.0","o":{"f":2}}\n{"s":null}\n', ".jsonl"))
    dialect = TableReader(small.lake, small.ref("t")).describe().dialect
    assert dialect is not None and not dialect.omits_nulls
    assert set(dialect.raw) == {'["n"]', '["o","f"]'}


def test_a_column_without_values_is_text(small: SmallLake) -> None:
    small.put("t", NOTHING, TextFile("json", '{"n":1,"x":null}\n{"n":2,"x":null}\n', ".jsonl"))
    ref = TableReader(small.lake, small.ref("t")).describe()
    assert [(leaf.token, leaf.type) for leaf in ref.leaves] == [('["n"]', "int64"), ('["x"]', "string")]


def test_the_pinned_dialect_wins_over_guesses(small: SmallLake) -> None:
    small.put("t", NOTHING, TextFile("csv", "a,b;c\n1,2;3\n", ".csv"))
    ref = TableReader(small.lake, small.ref("t")).describe()
    assert digest_table(small.context, ref).n_rows == 1
    again = TableReader(small.lake, ref).describe()
    assert again == ref


class Mixed(NamedTuple):
    """Two parts of a table of which each alone could be written again, but whose columns are written in two ways."""

    first: str
    second: str
    type: pa.DataType
    values: list[object]


MIXED = [
    Mixed("n,x\n1,true\n2,false\n", "n,x\n3,True\n", pa.bool_(), [True, False, True]),
    Mixed("n,x\n1,True\n2,False\n", "n,x\n3,TRUE\n", pa.bool_(), [True, False, True]),
    Mixed("n,x\n1,0.5\n2,1e16\n", "n,x\n3,1e+16\n", pa.float64(), [0.5, 1e16, 1e16]),
]


@pytest.mark.parametrize("mixed", MIXED, ids=["canonical and Python", "Python and R", "Rust and Python"])
def test_two_ways_of_writing_are_read_and_rebuilt_from_but_never_written_again(small: SmallLake, mixed: Mixed) -> None:
    for number, text in enumerate((mixed.first, mixed.second)):
        small.put(f"t/part-{number}", NOTHING, TextFile("csv", text, ".csv"))
    rows = pa.table({"n": [1, 2, 3], "x": pa.array(mixed.values, mixed.type)})
    small.put("child", rows.slice(1))
    small.put("all", pa.concat_tables([rows, rows]))
    reader = TableReader(small.lake, small.ref("t"))
    assert dict((leaf.token, leaf.type) for leaf in reader.describe().leaves)['["x"]'] == str(mixed.type)
    with pytest.raises(SourceError, match="could not be written again as it is") as caught:
        reader.require_writable()
    assert re.match(r"t/part-[01].csv: column x", str(caught.value.value))
    assert verify(small.context, small.recipe("child", "t")) is None
    refusal = small.solve("t", "all").refusal
    assert refusal is not None and "could not be written again" in refusal.reason


def test_one_way_of_writing_in_all_parts_is_written_again(small: SmallLake) -> None:
    small.put("t/part-0", NOTHING, TextFile("csv", "n,x\n1,True\n2,False\n", ".csv"))
    small.put("t/part-1", NOTHING, TextFile("csv", "n,x\n3,True\n4,\n", ".csv"))
    small.put("all", pa.table({"n": range(9), "x": [None, True, False, True, None, None, None, None, None]}))
    TableReader(small.lake, small.ref("t")).require_writable()
    assert verify(small.context, small.recipe("t", "all")) is None


ODD = {
    "literal": ("csv", 'n,s\n1,5" disk\n2,b\n', ['5" disk', "b"]),
    "backslash": ("csv", 'n,s\n1,"say \\"hi\\""\n2,b\n', ['say "hi"', "b"]),
    "single": ("csv", "n,s\n1,'a, b'\n2,b\n", ["a, b", "b"]),
    "none": ("csv", 'n\ts\n1\t"Swing it" magistern\n2\tb\n', ['"Swing it" magistern', "b"]),
    "lines": ("csv", 'n\ts\n1\t"two\nlines"\n2\tb\n', ["two\nlines", "b"]),
    "array": ("json", '[{"n": 1, "s": "a"},\n {"n": 2, "s": "b"}]', ["a", "b"]),
    "concatenated": ("json", '{"n": 1, "s": "a"}{"n": 2, "s": "b"}', ["a", "b"]),
}


@pytest.mark.parametrize("name", ODD)
def test_text_in_another_dialect_is_rebuilt_from_but_never_written_again(small: SmallLake, name: str) -> None:
    format_, text, values = ODD[name]
    small.put("t", NOTHING, TextFile(format_, text, f".{format_}"))
    rows = pa.table({"n": [1, 2], "s": values})
    small.put("child", rows.slice(1))
    small.put("all", pa.concat_tables([rows, rows]))
    assert verify(small.context, small.recipe("child", "t")) is None
    with pytest.raises(SourceError, match="could not be written again as it is"):
        TableReader(small.lake, small.ref("t")).require_writable()
    refusal = small.solve("t", "all").refusal
    assert refusal is not None and "could not be written again" in refusal.reason

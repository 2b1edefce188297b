import pyarrow as pa
import pytest

from lakebed.data_samples.layouts import TextFile
from lakebed.tasks.retention.recipes.digest import digest_table
from lakebed.tasks.retention.recipes.reader import TableReader
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

import io
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.tasks.retention.recipes.constants import constant_of
from lakebed.tasks.retention.recipes.model import Equals, In, Range, Term
from lakebed.tasks.retention.recipes.streams import groups_for, is_large, is_streamed
from tests.tasks.retention.recipes.lakes import SmallLake

ROWS = pa.table(
    {
        "id": pa.array(range(100), pa.int64()),
        "day": pa.array(range(100), pa.int32()).cast(pa.date32()),
        "word": [f"w{row:03}" for row in range(100)],
        "at": pa.array(range(100), pa.timestamp("us", "UTC")),
        "x": pa.array([row / 2 if row % 25 else None for row in range(100)]),
    }
)
ID, AT = '["id"]', '["at"]'


def between(name: str, low: object, high: object, *, or_null: bool = False) -> Range:
    low, high = (constant_of(pa.scalar(end, ROWS.schema.field(name).type)) for end in (low, high))
    return Range(token=f'["{name}"]', low=low, high=high, or_null=or_null)


TERMS: list[tuple[Term, tuple[int, ...]]] = [
    (between("id", 30, 60), (1, 2)),
    (between("id", 200, 300), ()),
    (between("day", date(1970, 1, 2), date(1970, 1, 3)), (0,)),
    (between("word", "w080", "w081"), (3,)),
    (between("x", 1.0, 2.0), (0,)),
    (between("x", 1.0, 2.0, or_null=True), (0, 1, 2, 3)),
    (In(token=ID, values=tuple(constant_of(pa.scalar(n)) for n in (10, 30))), (0, 1)),
    (In(token=ID, values=(), or_null=True), (0, 1, 2, 3)),
    (Range(token=ID), (0, 1, 2, 3)),
    (Equals(token=ID, value=None), (0, 1, 2, 3)),
    # a time zone makes Python's values another type than the constant's: nothing is left out
    (Range(token=AT, low=constant_of(ROWS["at"][0]), high=constant_of(ROWS["at"][1])), (0, 1, 2, 3)),
    (between("id", 30, 60).model_copy(update={"token": '["ID"]'}), (0, 1, 2, 3)),
]


@pytest.mark.parametrize(("term", "groups"), TERMS)
def test_row_groups_are_left_out_where_statistics_exclude_every_row(term: Term, groups: tuple[int, ...]) -> None:
    sink = io.BytesIO()
    pq.write_table(ROWS, sink, row_group_size=25)
    assert groups_for(pq.ParquetFile(pa.BufferReader(sink.getvalue())), (term,), ignore_case=False) == groups


def test_small_tables_are_held_in_memory(small: SmallLake) -> None:
    small.put("child", ROWS.slice(10, 20))
    small.put("parent", ROWS)
    recipe = small.recipe("child", "parent")
    assert not is_streamed(small.context, recipe)
    many = recipe.child.files[0].model_copy(update={"n_rows": 1 << 23})
    assert is_large(small.context, [recipe.child.model_copy(update={"files": (many,)})])

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.retention.recipes.kernel.tight import Tight

CELLS = st.lists(st.one_of(st.none(), st.integers(-9, 9)), max_size=12)


@given(st.lists(CELLS, max_size=4))
def test_batches_together_are_as_tight_as_all_cells(batches: list[list[int | None]]) -> None:
    tight = Tight(pa.int32(), 4)
    for cells in batches:
        tight.add(pa.array(cells, pa.int32()))
    every = [cell for cells in batches for cell in cells]
    values = sorted({cell for cell in every if cell is not None})
    assert tight.has_null == (None in every)
    assert [end and end.as_py() for end in (tight.low, tight.high)] == (
        [values[0], values[-1]] if values else [None] * 2
    )
    assert [value.as_py() for value in tight.values()] == (values if len(values) <= 4 else [])


def test_nan_is_noticed_and_booleans_have_an_order() -> None:
    floats = Tight(pa.float64(), 4)
    floats.add(pa.array([1.0, float("nan"), None]))
    assert floats.has_nan and floats.low == floats.high == pa.scalar(1.0)
    booleans = Tight(pa.bool_(), 4)
    booleans.add(pa.array([True, False, True]))
    assert [value.as_py() for value in booleans.values()] == [False, True]

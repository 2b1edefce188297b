from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.errors import PlanError, SourceError
from lakebed.data_samples.layouts import DeltaTable
from lakebed.tasks.retention.recipes.constants import constant_of
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Equals, In, Outcome, Range, Term
from lakebed.tasks.retention.recipes.rebuild import compare, first_rows, holds, rebuild
from lakebed.tasks.retention.recipes.write import verify
from tests.tasks.retention.recipes.lakes import SmallLake

BASE = pa.table({"id": pa.array(range(300)), "x": [n * n % 11 for n in range(300)]})
NAN = float("nan")
COLUMN = "t"


def constant(value: object) -> object:
    return constant_of(pa.scalar(value))


@pytest.mark.parametrize(
    ("term", "values", "expected"),
    [
        (Range(token=COLUMN, low=constant(2), high=constant(4)), [1, 2, 4, 5, None], [0, 1, 1, 0, 0]),
        (Range(token=COLUMN, low=constant(2), high=constant(4), or_null=True), [1, 2, 5, None], [0, 1, 0, 1]),
        (Range(token=COLUMN), [1.0, NAN, None], [1, 0, 0]),
        (Range(token=COLUMN, low=constant(-0.0), high=constant(1.0)), [0.0, -0.0, NAN, 2.0], [1, 1, 0, 0]),
        (In(token=COLUMN, values=(constant("a"), constant("c"))), ["a", "b", "c", None], [1, 0, 1, 0]),
        (In(token=COLUMN, values=(), or_null=True), ["a", None], [0, 1]),
        (In(token=COLUMN, values=(constant(0.0),)), [0.0, -0.0, NAN], [1, 1, 0]),
        (Equals(token=COLUMN, value=constant("a")), ["a", "b", None], [1, 0, 0]),
        (Equals(token=COLUMN, value=None), ["a", None], [0, 1]),
    ],
)
def test_conditions_mean_what_sql_means(term: Term, values: list[object], expected: list[int]) -> None:
    assert holds(term, pa.array(values)).astype(int).tolist() == expected


def test_the_first_of_equal_rows_stays() -> None:
    hashes = np.array([[2, 1], [1, 1], [2, 1], [1, 2], [1, 1]], np.uint64)
    assert first_rows(hashes).tolist() == [0, 1, 3]


def test_every_recipe_of_the_sample_lake_gives_the_original(
    sample_context: RecipeContext, sample_outcomes: list[Outcome]
) -> None:
    for one in sample_outcomes[::5]:
        if one.recipe:
            assert verify(sample_context, one.recipe) is None, one.child


@pytest.fixture
def lake(small: SmallLake) -> SmallLake:
    small.put("child", BASE.slice(100, 100))
    small.put("parent", BASE)
    return small


def test_a_parent_whose_bytes_changed_is_refused(lake: SmallLake) -> None:
    recipe = lake.recipe("child", "parent")
    path = lake.root / "parent.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    with pytest.raises(PlanError, match="parent has changed"):
        rebuild(lake.context, recipe)


def test_a_parent_of_another_size_is_refused(lake: SmallLake) -> None:
    recipe = lake.recipe("child", "parent")
    lake.put("parent", BASE.slice(0, 299))
    with pytest.raises(PlanError, match="has changed"):
        rebuild(lake.context, recipe)


def test_a_parent_that_is_gone_is_refused(lake: SmallLake) -> None:
    recipe = lake.recipe("child", "parent")
    (lake.root / "parent.parquet").unlink()
    with pytest.raises(SourceError, match=r"cannot read parent\.parquet"):
        rebuild(lake.context, recipe)


def test_a_delta_parent_is_read_in_its_version(small: SmallLake) -> None:
    from deltalake import write_deltalake

    small.put("child", BASE.slice(100, 100))
    small.put("parent", BASE, DeltaTable(2))
    recipe = small.recipe("child", "parent")
    write_deltalake(small.root / "parent", BASE.slice(0, 7), mode="append")
    assert rebuild(small.context, recipe).equals(BASE.slice(100, 100))


def test_other_rows_columns_or_order_are_told(lake: SmallLake) -> None:
    recipe = lake.recipe("child", "parent")
    child = BASE.slice(100, 100)
    assert compare(recipe, child, lake.context) is None
    for other, what in (
        (child.slice(0, 99), "rows"),
        (child.rename_columns(["id", "y"]), "columns"),
        (child.take(list(range(99, -1, -1))), "order"),
    ):
        refusal = compare(recipe, other, lake.context)
        assert refusal is not None and refusal.code == "differs_strictly" and what in refusal.reason


def test_another_hash_key_is_refused(lake: SmallLake, tmp_path: Path) -> None:
    recipe = lake.recipe("child", "parent")
    other = RecipeContext(lake.lake, str(tmp_path), bytes(32))
    with pytest.raises(PlanError, match="another hash key"):
        verify(other, recipe)


def test_row_numbers_beyond_the_parent_are_refused(lake: SmallLake) -> None:
    recipe = lake.recipe("child", "parent")
    selector = {"kind": "positions", "rows": {"n_rows": 1, "inline": [300]}}
    changed = recipe.model_dump()
    changed["parts"][0]["selector"] = selector
    with pytest.raises(PlanError, match="rows that its parent lacks"):
        rebuild(lake.context, type(recipe).model_validate(changed))

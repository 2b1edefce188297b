import pyarrow as pa
import pytest
from pydantic import ValidationError

from lakebed.tasks.retention.recipes.model import Recipe
from tests.tasks.retention.recipes.lakes import SmallLake

BASE = pa.table({"id": pa.array(range(300)), "x": [n * n % 11 for n in range(300)]})


@pytest.fixture
def recipe(small: SmallLake) -> Recipe:
    small.put("child", BASE.take([n * 7 % 300 for n in range(200)]))
    small.put("parent", BASE)
    return small.recipe("child", "parent")


def test_recipes_are_frozen_and_closed(recipe: Recipe) -> None:
    with pytest.raises(ValidationError):
        recipe.version = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Recipe.model_validate({**recipe.model_dump(), "more": 1})
    with pytest.raises(ValidationError):
        Recipe.model_validate({**recipe.model_dump(), "parts": []})


def test_they_know_what_they_need_and_hold_for(recipe: Recipe) -> None:
    assert recipe.selector_shape == "positions"
    assert [rows.n_rows for rows in recipe.stored] == [200]
    assert recipe.stored_bytes == recipe.stored[0].n_bytes > 0
    assert (recipe.child.n_rows, recipe.parts[0].parent.n_rows) == (200, 300)
    assert recipe.child.is_one_file and all(file.sha256 for file in recipe.parts[0].parent.files)


def test_order_is_no_part_of_a_table(recipe: Recipe) -> None:
    other = recipe.digest.model_copy(update={"sequence": "x"})
    assert recipe.digest.is_same_table(other)
    assert not recipe.digest.is_same_table(other.model_copy(update={"n_rows": 1}))

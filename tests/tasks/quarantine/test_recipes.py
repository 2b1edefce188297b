"""The rebuilder on real recipes; `test_reading` has what it rebuilds."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

import lakebed
from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.recipes import RecipeRebuilder, recipe_of
from lakebed.tasks.runtime.hash_key import HashKeys
from tests.tasks.quarantine.conftest import Case
from tests.tasks.quarantine.lakes import PARENT, make_real_plan, parent_rows
from tests.tasks.quarantine.test_reading import applied, purged, restored


def test_another_key_is_refused(real):
    with Quarantine.hold(str(real.root), real.config, "apply") as quarantine:
        with pytest.raises(PlanError, match="another hash key"):
            apply_plan(quarantine, real.plan, RecipeRebuilder(HashKeys(b"0" * 32), real.rows_folder))
    assert real.snapshot() == real.before


def test_a_recipe_about_another_table_is_refused(real):
    table = real.plan.table("part")
    for change in ({"name": "other"}, {"parents": ("days",)}, {"original_hash": "0"}, {"recipe": {"kind": "x"}}):
        with pytest.raises(PlanError, match="recipe"):
            recipe_of(table.model_copy(update=change))
    assert recipe_of(table).parts[0].parent.name == PARENT


def test_row_numbers_go_into_quarantine_with_the_table(real):
    # more of them than a recipe holds in itself
    rows = np.random.default_rng(7).integers(0, 100, 20_000)
    shuffled = parent_rows().take(rows).select(["id", "name"])
    pq.write_table(shuffled, real.root / "part.parquet")
    case = Case(real.root)
    case.rows_folder = real.rows_folder
    case.plan = make_real_plan(case.lake, case.rows_folder)
    assert recipe_of(case.plan.table("part")).stored
    applied(case)
    shutil.rmtree(case.rows_folder)
    purged(case)
    assert lakebed.open_table(f"{case.root}/part").equals(shuffled)
    restored(case)
    assert pq.read_table(case.root / "part.parquet").equals(shuffled)

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.plan import ScanPlaces, bucket_bits, plan_scan, projection_of
from tests.tasks.containment.lakes import view_of, workspace_of, write_lake


def planned(folder, lake, config):
    write_lake(folder / "lake", lake)
    workspace = workspace_of(folder)
    view, staged = view_of(workspace, config)
    return view, plan_scan(view.lake, view.survey.roles, config, workspace, ScanPlaces(staged, str(folder / "out")))


def test_only_tables_still_in_question_are_planned_with_the_columns_that_an_edge_needs(tmp_path):
    lake = {
        "parent": pa.table({"x": [1, 2, 3], "y": [1, 2, 3], "z": [0, 0, 0]}),
        "child": pa.table({"x": [1, 2]}),
        "outside": pa.table({"x": [9]}),
        "other": pa.table({"w": [1]}),
    }
    view, plan = planned(tmp_path, lake, ContainmentConfig())
    names = view.lake.names
    assert {names[table] for table in plan.tables} == {"parent", "child"}
    tokens = {names[table]: [plan.projections[n][1] for n in scan.projections] for table, scan in plan.tables.items()}
    assert tokens == {"parent": [('["x"]',)], "child": [('["x"]',)]}


def test_samples_thin_out_with_rows_and_with_the_budget(tmp_path):
    lake = {name: pa.table({"x": list(range(n))}) for name, n in (("a", 5_000), ("b", 20))}
    view, plan = planned(tmp_path, lake, ContainmentConfig(sketch_rows=100))
    levels = {view.lake.names[table]: scan.row_level for table, scan in plan.tables.items()}
    assert levels == {"a": math.ceil(math.log2(5_000 / 100)), "b": 0}
    thin = plan_scan(
        view.lake,
        view.survey.roles.repeat(500, axis=0),
        ContainmentConfig(sketch_rows=100, sketch_budget_rows=1 << 12),
        workspace_of(tmp_path),
        ScanPlaces("", ""),
    )
    assert thin.tables[0].row_level == math.ceil(math.log2(5_000 / 16))


def test_the_plan_says_what_hashes_depend_on(tmp_path):
    config = ContainmentConfig(hash_key="00" * 15 + "07", strict_types=True)
    _, plan = planned(tmp_path, {name: pa.table({"x": [1]}) for name in "ab"}, config)
    assert plan.settings.key == bytes(15) + b"\x07"
    assert plan.settings.is_strict


@given(st.integers(0, 1 << 50), st.integers(1 << 10, 1 << 28))
def test_buckets_hold_about_the_wanted_rows(n_rows, wanted):
    bits = bucket_bits(n_rows, wanted)
    assert bits >= 1
    assert n_rows / 2**bits <= wanted
    assert bits == 1 or n_rows / 2 ** (bits - 1) > wanted


def test_projections_have_ids_of_their_own():
    ids = {projection_of(tokens)[0] for tokens in (["ab", "c"], ["a", "bc"], ["abc"], [], ["ab", "c", ""])}
    assert len(ids) == 5


@pytest.mark.parametrize("tokens", [['["a"]'], ['["a"]', '["ü","b",2]']])
def test_a_projection_has_the_same_id_everywhere(tokens):
    assert projection_of(tokens) == projection_of(tuple(tokens))
    assert -(2**63) <= projection_of(tokens)[0] < 2**63

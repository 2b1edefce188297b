import os
import shutil

import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.runtime.definition import Inputs, run_stage

pytestmark = pytest.mark.spark


def test_an_unchanged_run_is_reused_and_another_key_is_not(mixed_lake, mixed_run):
    _, ref = mixed_run
    workspace = mixed_lake.workspace("set")
    assert run_stage(CONTAINMENT, Inputs.of(workspace, mixed_lake.inventory, ContainmentConfig())) == ref
    other = CONTAINMENT.open(Inputs.of(workspace, mixed_lake.inventory, ContainmentConfig(hash_key="ab" * 32)))
    assert other.reuse() is None


def test_what_a_killed_run_left_is_overwritten(mixed_lake, mixed_run):
    store, ref = mixed_run
    workspace = mixed_lake.workspace("killed")
    folder = CONTAINMENT.open(Inputs.of(workspace, mixed_lake.inventory, ContainmentConfig())).folder
    shutil.copytree(store.folder(ref.stage, ref.key), folder, dirs_exist_ok=True)
    os.unlink(f"{folder}/manifest.json")
    assert run_stage(CONTAINMENT, Inputs.of(workspace, mixed_lake.inventory, ContainmentConfig())) == ref

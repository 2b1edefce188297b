import shutil

import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.config import QuarantineConfig
from tests.tasks.quarantine.lakes import make_plan, make_real_plan, snapshot, write_lake


class Case:
    """A lake, a plan for it, and how it looked before."""

    def __init__(self, root, grace_days=0.0):
        self.root = root
        self.lake = LakeConfig(root=str(root))
        self.config = QuarantineConfig(grace_days=grace_days)
        self.plan = make_plan(self.lake)
        self.before = self.snapshot()

    def snapshot(self):
        return snapshot(Storage.at(str(self.root)))


@pytest.fixture(scope="session")
def lake_template(tmp_path_factory):
    return write_lake(tmp_path_factory.mktemp("template") / "lake")


@pytest.fixture
def case(lake_template, tmp_path):
    return Case(shutil.copytree(lake_template, tmp_path / "lake"))


@pytest.fixture
def real(lake_template, tmp_path):
    """A case whose plan has recipes that were synthesised, executed and compared."""
    case = Case(shutil.copytree(lake_template, tmp_path / "lake"))
    case.rows_folder = str(tmp_path / "rows")
    case.plan = make_real_plan(case.lake, case.rows_folder)
    return case

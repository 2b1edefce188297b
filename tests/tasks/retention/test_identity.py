import pytest

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.retention.identity import LakeState
from tests.tasks.retention.plans import write_lake


def test_a_lake_that_is_gone_is_refused(tmp_path):
    with pytest.raises(PlanError, match="cannot be listed"):
        LakeState.of(LakeConfig(root=str(tmp_path / "gone")))


def test_a_table_that_is_unknown_is_refused(tmp_path):
    write_lake(tmp_path / "lake")
    with pytest.raises(PlanError, match="not in the lake"):
        LakeState.of(LakeConfig(root=str(tmp_path / "lake"))).identity("unknown")

import os

import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.retention.identity import LakeState, require_unmoved
from tests.tasks.retention.plans import ROWS, plan_of, write_lake

NAMES = ("all", "delta", "some")


@pytest.fixture
def lake(tmp_path):
    write_lake(tmp_path / "lake")
    return tmp_path / "lake"


def test_identities_hold_while_nothing_moves(lake):
    plan = plan_of(lake)
    require_unmoved(plan, NAMES)
    assert all(len(file.sha256) == 64 for table in plan.tables for file in table.identity.files)
    assert plan.table("delta").identity.log_files
    assert not plan.table("all").identity.log_files


def append_to_delta(lake):
    write_deltalake(str(lake / "delta"), ROWS, mode="append")


def change_bytes(lake):
    path = lake / "all.parquet"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def make_folder(lake):
    (lake / "some.parquet").unlink()
    (lake / "some").mkdir()
    pq.write_table(ROWS, lake / "some" / "part-0.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lake: (lake / "some.parquet").unlink(), "not there any more"),
        (lambda lake: pq.write_table(ROWS.slice(1, 4), lake / "some.parquet"), "was changed"),
        (lambda lake: os.utime(lake / "all.parquet", ns=(1, 1)), "was changed"),
        (append_to_delta, "is new"),
        (change_bytes, "other bytes"),
        (make_folder, "now parquet at some"),
    ],
)
def test_a_table_that_moved_is_refused(lake, change, message):
    plan = plan_of(lake)
    change(lake)
    with pytest.raises(PlanError, match="moved") as refused:
        require_unmoved(plan, NAMES)
    assert message in str(refused.value)


def test_tables_that_do_not_matter_may_move(lake):
    plan = plan_of(lake)
    append_to_delta(lake)
    require_unmoved(plan, ("all", "some"))


def test_changed_bytes_under_old_stamps_need_the_bytes_read(lake):
    plan = plan_of(lake)
    change_bytes(lake)
    require_unmoved(plan, NAMES, with_bytes=False)


def test_a_lake_that_is_gone_is_refused(tmp_path):
    with pytest.raises(PlanError, match="cannot be listed"):
        LakeState.of(LakeConfig(root=str(tmp_path / "gone")))


def test_a_table_that_is_unknown_is_refused(lake):
    with pytest.raises(PlanError, match="not in the lake"):
        LakeState.of(LakeConfig(root=str(lake))).identity("unknown")

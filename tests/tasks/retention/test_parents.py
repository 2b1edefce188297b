"""What becomes of the parents of recipes in a lake that lives: what adds harms nothing, what takes away is told."""

import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.retention.identity import LakeState, digested
from lakebed.tasks.retention.parents import parent_change, rows_read
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.refs import observe

ROWS = pa.table({"id": list(range(40)), "city": [f"c{row % 3}" for row in range(40)]})


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("parents") / "lake"
    for day in (1, 2):
        (root / "days" / f"day={day}").mkdir(parents=True)
        pq.write_table(ROWS.slice(20 * (day - 1), 20), root / "days" / f"day={day}" / "part-0.parquet")
    (root / "text").mkdir()
    for part in (0, 1):
        (root / "text" / f"part-{part}.csv").write_text("id,city\n1,a\n2,b\n")
    for part in (0, 1):
        write_deltalake(root / "log", ROWS.slice(20 * part, 20), mode="append")
    return root


@pytest.fixture
def lake(template, tmp_path):
    return LakeConfig(root=str(shutil.copytree(template, tmp_path / "lake")))


def path_of(lake, *parts):
    return os.path.join(lake.root, *parts)


def new_partition(lake):
    os.mkdir(path_of(lake, "days", "day=3"))
    pq.write_table(ROWS, path_of(lake, "days", "day=3", "part-0.parquet"))


def deeper_partition(lake):
    """The folder is no table any more: what the recipe reads is there all the same."""
    os.makedirs(path_of(lake, "days", "day=3", "hour=1"))
    pq.write_table(ROWS, path_of(lake, "days", "day=3", "hour=1", "part-0.parquet"))


def more_text(lake):
    with open(path_of(lake, "text", "part-2.csv"), "w") as stream:
        stream.write("id,city\n3,c\n")


def append(lake):
    write_deltalake(path_of(lake, "log"), ROWS, mode="append")


def forget_old_versions(lake):
    """As Delta does after 30 days: a checkpoint, and no commit before it."""
    append(lake)
    DeltaTable(path_of(lake, "log")).create_checkpoint()
    for version in range(2):
        os.unlink(path_of(lake, "log", "_delta_log", f"{version:020d}.json"))


def drop_partition(lake):
    shutil.rmtree(path_of(lake, "days", "day=1"))


def write_partition_again(lake):
    pq.write_table(ROWS.slice(0, 7), path_of(lake, "days", "day=1", "part-0.parquet"))


def grow_text(lake):
    with open(path_of(lake, "text", "part-1.csv"), "a") as stream:
        stream.write("3,c\n")


def overwrite(lake):
    write_deltalake(path_of(lake, "log"), ROWS, mode="overwrite")


def compact(lake):
    DeltaTable(path_of(lake, "log")).optimize.compact()


def delete(lake):
    DeltaTable(path_of(lake, "log")).delete("id < 3")


def vacuum(lake):
    overwrite(lake)
    DeltaTable(path_of(lake, "log")).vacuum(0, dry_run=False, enforce_retention_duration=False)


def lose_log(lake):
    shutil.rmtree(path_of(lake, "log", "_delta_log"))


def changed(lake, name, act):
    """What is told of the table once somebody has done this, and the rows that its files hold still."""
    state = LakeState.of(lake)
    was = state.identity(name)
    ref = TableReader(lake, observe(lake, name)).describe()
    recipe = {"parts": [{"parent": ref.model_dump(mode="json")}]}
    (was,) = digested(lake.root, [was])
    act(lake)
    after = LakeState.of(lake)
    return parent_change(lake.root, was, rows_read([recipe]), after.files.get), ref


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("days", new_partition),
        ("days", deeper_partition),
        ("text", more_text),
        ("log", append),
        ("log", forget_old_versions),
    ],
)
def test_what_adds_harms_nothing_and_the_rows_are_read_as_before(lake, name, act):
    before = TableReader(lake, observe(lake, name))
    tokens = [leaf.token for leaf in before.describe().leaves]
    rows = before.cells(tokens)
    change, ref = changed(lake, name, act)
    assert change is None
    after = TableReader(lake, ref).cells(tokens)
    assert all(after[token].values.equals(rows[token].values) for token in tokens)


@pytest.mark.parametrize(
    ("name", "act", "told", "is_kept"),
    [
        ("days", drop_partition, "days/day=1/part-0.parquet is gone", False),
        ("days", write_partition_again, "days/day=1/part-0.parquet was changed", False),
        ("text", grow_text, "text/part-1.csv was changed", False),
        ("log", overwrite, "was overwritten, deleted or compacted: version 2 does not read it", True),
        ("log", compact, "was overwritten, deleted or compacted: version 2 does not read it", True),
        ("log", delete, "was overwritten, deleted or compacted: version 2 does not read it", True),
        ("log", vacuum, "is gone", False),
        ("log", lose_log, "cannot open the Delta table", False),
    ],
)
def test_what_takes_away_is_told(lake, name, act, told, is_kept):
    change, _ = changed(lake, name, act)
    assert told in change.told
    assert change.is_kept == is_kept


def test_a_version_that_the_log_forgot_is_refused_once_a_file_of_it_is_not_read_any_more(lake):
    ref = TableReader(lake, observe(lake, "log")).describe()
    delete(lake)
    forget_old_versions(lake)
    with pytest.raises(PlanError, match="log has changed"):
        TableReader(lake, ref).opened()

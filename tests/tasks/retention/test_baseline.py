import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.retention.baseline import find_duplicates
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.previous import Known
from lakebed.tasks.retention.problem import load_problem
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.runtime.artifacts import ArtifactStore
from tests.tasks.retention.lakes import BASE, contained_lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duplicates")
    other = BASE.set_column(0, "id", BASE["id"].combine_chunks().take(list(range(399, -1, -1))))
    tables = {"a": BASE, "b": BASE, "c": BASE.slice(0, 9), "d": BASE.slice(0, 9), "e": other}
    (folder / "lake" / "parts").mkdir(parents=True)
    for place, part in enumerate((BASE, BASE.slice(0, 9))):
        pq.write_table(part, folder / "lake" / "parts" / f"part-{place}.parquet")
    workspace, *refs = contained_lake(folder, tables)
    return load_problem(ArtifactStore(workspace.artifacts), tuple(refs), RetentionConfig()), workspace.lake.root


def fresh(root):
    return Known(RecipeContext(LakeConfig(root=root), "", b""), {})


def names(problem, found):
    return [[problem.tables.names[table] for table in group] for group in found.groups]


def test_only_tables_of_the_same_bytes_are_duplicates(lake):
    problem, root = lake
    found = find_duplicates(problem, root, 1 << 30, fresh(root))
    assert names(problem, found) == [["a", "b"], ["c", "d"]]
    assert found.n_skipped == 0
    assert found.bytes_read > 0


def test_no_more_bytes_are_read_than_allowed(lake):
    problem, root = lake
    small = int(problem.tables.n_bytes[problem.tables.names.index("c")])
    found = find_duplicates(problem, root, 2 * small, fresh(root))
    assert names(problem, found) == [["c", "d"]]
    assert found.n_skipped >= 2
    assert found.bytes_read == 2 * small


def test_files_that_are_gone_are_like_no_other(lake, tmp_path):
    problem, _ = lake
    assert find_duplicates(problem, str(tmp_path), 1 << 30, fresh(str(tmp_path))).groups == ()

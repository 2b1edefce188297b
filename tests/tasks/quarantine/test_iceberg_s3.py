"""An Iceberg table in a folder of an object store."""

import pytest

import lakebed
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.quarantine.kernel import Phase
from tests.tasks.quarantine.iceberg_lakes import ICE, IceCase, iceberg_plan, write_lake
from tests.tasks.quarantine.lakes import parent_rows
from tests.tasks.quarantine.s3 import s3_server, upload


@pytest.fixture(scope="module", autouse=True)
def _server():
    with s3_server():
        yield


def rows(case):
    return lakebed.open_table(f"{case.lake.root}/{ICE}").sort_by("id").to_pydict()


def test_there_and_back_and_rebuilt(tmp_path):
    root = upload(write_lake(tmp_path / "lake"), "lake-iceberg")
    case = IceCase(root, root.replace("/lake-", "/rows-"), LakeConfig(root=root))
    wanted = parent_rows().slice(0, 60).to_pydict()
    case.apply()
    assert rows(case) == wanted and not any(path.startswith(f"{ICE}/") for path in case.snapshot())
    case.restore()
    assert case.snapshot() == case.before
    # times of change are new ones
    case.plan = iceberg_plan(case.lake, case.rows_folder)
    case.apply()
    case.purge()
    assert case.phases() == {ICE: Phase.PURGED} and rows(case) == wanted
    case.restore()
    assert rows(case) == wanted and case.snapshot().keys() == case.before.keys()
    kept = [path for path in case.before if path.endswith(("metadata.json", "version-hint.text"))]
    assert {path: case.snapshot()[path][0] for path in kept} == {path: case.before[path][0] for path in kept}

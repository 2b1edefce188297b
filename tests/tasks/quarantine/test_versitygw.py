"""Apply, purge and restore on a server of another make; its environment names an endpoint without TLS, and no more."""

import os

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakebed.connectors.object_client import delta_options
from tests.services.versitygw import BUCKET, s3_server
from tests.tasks.quarantine.lakes import CHILDREN
from tests.tasks.quarantine.test_s3 import Case, assert_answers

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def server():
    with s3_server() as running:
        assert "AWS_ALLOW_HTTP" not in os.environ
        yield running


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_purged_and_rebuilt_a_delta_table_among_them(server, lake_template, scheme):
    root = server.upload(lake_template, f"lake-{scheme}").replace("s3://", f"{scheme}://")
    case = Case(root)
    case.apply()
    assert_answers(case)
    case.restore()
    assert case.snapshot() == case.before
    case = Case(root)  # what came back has another time, so the old plan is refused
    case.apply()
    assert set(case.purge().tables) == set(CHILDREN)
    assert_answers(case)
    assert set(case.restore().rebuilt) == set(CHILDREN)
    assert DeltaTable(f"{root}/delta", storage_options=delta_options(root)).to_pyarrow_table().num_rows == 70
    assert_answers(case)
    assert not any("lakebed" in path for path in case.snapshot())


def test_a_rebuilt_delta_table_can_be_appended_to(server, lake_template):
    case = Case(server.upload(lake_template, "lake-append"))
    case.apply()
    case.purge()
    case.restore()
    uri = f"s3://{BUCKET}/lake-append/delta"
    rows = DeltaTable(uri, storage_options=delta_options(uri)).to_pyarrow_table()
    write_deltalake(uri, rows.slice(0, 1), mode="append", storage_options=delta_options(uri))
    found = DeltaTable(uri, storage_options=delta_options(uri))
    assert pa.table(found.to_pyarrow_table()).num_rows == rows.num_rows + 1

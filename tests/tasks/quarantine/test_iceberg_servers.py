"""An Iceberg table in a catalog of PostgreSQL, a Hive metastore, or Glue, which moto serves: it gets another name, and
its files stay."""

import pytest

from lakebed.tasks.quarantine.kernel import Phase
from tests.services.hive_metastore import hive_metastore
from tests.services.postgresql import postgresql_server
from tests.tasks.quarantine.iceberg_lakes import ICE, CatalogCase
from tests.tasks.quarantine.s3 import s3_server


@pytest.fixture
def postgresql(monkeypatch):
    pytest.importorskip("psycopg2", reason="no client of PostgreSQL here: pip install 'lakebed[iceberg-postgresql]'")
    with postgresql_server() as server:
        for name, value in (("PGUSER", server.user), ("PGPASSWORD", server.password)):
            monkeypatch.setenv(name, value)
        yield {"type": "sql", "uri": f"postgresql+psycopg2://127.0.0.1:{server.port}/postgres"}


@pytest.fixture
def hive():
    with hive_metastore() as (uri, _):
        yield {"type": "hive", "uri": uri}


@pytest.fixture
def glue():
    with s3_server() as variables:
        yield {"type": "glue", "glue.endpoint": variables["AWS_ENDPOINT_URL"], "glue.region": "us-east-1"}


@pytest.mark.parametrize("kind", ["postgresql", "hive", "glue"])
def test_there_and_back_and_rebuilt(tmp_path, request, kind):
    case = CatalogCase(tmp_path, **request.getfixturevalue(kind))
    looked = case.seen()
    (receipt,) = case.apply().receipts
    assert case.names() == [f"lakebed_quarantine.{receipt.catalog.aside}"]
    case.restore()
    assert case.names() == ["sales.ice"] and case.seen() == looked and case.snapshot() == case.before
    case.apply()
    case.purge()
    assert case.phases() == {ICE: Phase.PURGED} and not (case.root / ICE).exists()
    case.restore()
    assert case.names() == ["sales.ice"] and case.seen() == looked

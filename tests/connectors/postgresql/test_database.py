"""Listing a database: what goes wrong is told, typed, and shows no secret."""

import asyncio
import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import CancelledError
from contextlib import closing
from types import SimpleNamespace

import pytest

from lakebed.connectors.errors import ConfigError, SourceError, Transient
from lakebed.connectors.lake.databases import DatabaseConfig, login_of
from lakebed.connectors.postgresql.client import Connection, DatabaseBusyError, DatabaseError, database_error
from tests.connectors.postgresql.conftest import SECRET
from tests.services.machine import free_port

TABLES = """
CREATE SCHEMA inner_one; CREATE TABLE inner_one."We.ird/name" ("a b" int, "q""x" text);
CREATE TABLE open_to_all (id int); CREATE TABLE closed (id int);
GRANT SELECT ON open_to_all TO reader;
"""


def problem(database):
    [found] = database.problems
    assert SECRET not in repr(database.problems)
    return found


@pytest.mark.heavy
def test_each_fault_has_its_reason(place, monkeypatch):
    place.sql(TABLES)
    database = place.open(include=("public.open_to_all",))
    assert (database.problems, [source.name for source in database.sources]) == ([], ["shop/public.open_to_all"])
    assert SECRET not in repr(database) + repr(database.plan("shop/public.open_to_all"))
    assert database.plan("shop/public.open_to_all").options["password"] == SECRET
    database.close()
    down = place.open(url=f"jdbc:postgresql://127.0.0.1:{free_port()}/x")
    assert "refused" in problem(down).reason
    assert "server runs" in problem(down).hint
    host = place.open(url="jdbc:postgresql://no-such-host.invalid:5432/x")
    assert "host is not known" in problem(host).reason
    assert "does not exist" in problem(place.open(url=place.config().url + "x")).reason
    assert "password authentication failed" in problem(place.open(user="stranger")).reason
    monkeypatch.delenv("READER_PASSWORD")
    assert problem(place.open()).reason == "the password is missing: the variable READER_PASSWORD is not set"
    monkeypatch.setenv("READER_PASSWORD", "something else")
    assert "password authentication failed" in problem(place.open()).reason


@pytest.mark.heavy
def test_rights_and_names(place):
    place.sql(TABLES)
    database = place.open()
    reasons = {bad.name: (bad.reason, bad.hint) for bad in database.problems}
    database.close()
    assert reasons == {
        "shop/public.closed": ("no right to read it", "GRANT SELECT ON public.closed TO …"),
        'shop/inner_one."We.ird/name"': ("no right to its schema", "GRANT USAGE ON SCHEMA inner_one TO …"),
    }
    place.sql('GRANT USAGE ON SCHEMA inner_one TO reader; GRANT SELECT ON inner_one."We.ird/name" TO reader')
    database = place.open()
    assert 'shop/inner_one."We.ird/name"' in {source.name for source in database.sources}
    plan = database.plan('shop/inner_one."We.ird/name"')
    database.close()
    assert [column.name for column in plan.columns] == ["a b", 'q"x']
    assert plan.queries[0].relation == (
        '(SELECT t."a b" AS c0, t."q""x"::text AS c1 FROM ONLY inner_one."We.ird/name" t) q'
    )


@pytest.mark.heavy
def test_a_locked_table_costs_itself_alone(place):
    place.sql(TABLES)
    place.sql("CREATE TABLE busy (id int); INSERT INTO busy VALUES (1); GRANT SELECT ON busy TO reader")
    place.states(include=("public.open_to_all", "public.busy"))
    place.sql("INSERT INTO open_to_all VALUES (1)")
    holder = threading.Thread(
        target=lambda: place.sql("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(8); COMMIT")
    )
    holder.start()
    while place.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted") == "0":
        time.sleep(0.05)
    started = time.monotonic()
    database = place.open(include=("public.open_to_all", "public.busy"), lock_timeout_s=1)
    assert time.monotonic() - started < 7
    assert [source.name for source in database.sources] == ["shop/public.open_to_all"]
    assert "lock timeout" in problem(database).reason
    database.close()
    holder.join()


@pytest.mark.heavy
def test_what_would_help_a_second_time_is_told_apart(place):
    """The server's code arrives also where no connection came about, whatever its language."""
    url = place.config().url
    cases = [
        ({}, "wrong", "28P01", False),
        ({"url": url + "x"}, SECRET, "3D000", False),
        ({"url": url + "?sslmode=sometimes"}, SECRET, "22023", False),
        ({"url": f"jdbc:postgresql://localhost:{free_port()}/x"}, SECRET, "08001", True),
    ]
    for more, password, state, is_transient in cases:
        with pytest.raises(DatabaseError) as caught:
            Connection(place.config(**more), {"user": "reader", "password": password})
        assert (caught.value.state, isinstance(caught.value, Transient)) == (state, is_transient)
        assert SECRET not in str(caught.value) and "wrong" not in str(caught.value)
    # the last place is kept for superusers
    place.sql("ALTER ROLE reader CONNECTION LIMIT 0")
    try:
        full = problem(place.open())
        assert "too many connections" in full.reason and "no room" in full.hint
    finally:
        place.sql("ALTER ROLE reader CONNECTION LIMIT -1")


@pytest.mark.heavy
def test_a_caller_may_have_a_loop_of_its_own_as_notebooks_have(place):
    place.sql(TABLES)

    async def cell():
        database = place.open(include=("public.open_to_all",))
        database.close()
        return database.problems, database.connection

    assert asyncio.run(cell()) == ([], None)
    assert "postgresql" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.heavy
def test_a_query_that_is_interrupted_holds_nothing_up(place):
    connection = Connection(place.config(), {"user": "reader", "password": SECRET})

    def ask():
        with pytest.raises(CancelledError):
            connection.text("SELECT pg_sleep(60)::text")

    asking = threading.Thread(target=ask)
    asking.start()
    while place.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%'") == "0":
        time.sleep(0.05)
    started = time.monotonic()
    connection.close()
    asking.join()
    assert time.monotonic() - started < 20
    assert place.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'") == "0"


@pytest.mark.heavy
def test_a_transaction_may_only_read(place):
    place.sql("CREATE TABLE open_to_all (id int); GRANT ALL ON open_to_all TO reader")
    with closing(Connection(place.config(), {"user": "reader", "password": SECRET})) as connection:
        with pytest.raises(DatabaseError, match="cannot be read") as caught:
            connection.tried("INSERT INTO public.open_to_all VALUES (1) RETURNING id::text")
        assert caught.value.state == "25006"
        assert connection.text("SELECT count(*)::text FROM public.open_to_all") == "0"


@pytest.mark.heavy
def test_the_server_is_checked_by_its_certificate(place, tmp_path):
    data, places = place.server.folder / "data", {}
    for name in ("server", "other"):
        places[name] = tmp_path / f"{name}.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", tmp_path / f"{name}.key", "-out", places[name]],
            check=True, capture_output=True,
        )  # fmt: skip
    for end in ("crt", "key"):
        shutil.copy(tmp_path / f"server.{end}", data / f"server.{end}")
        os.chmod(data / f"server.{end}", 0o600)
        if os.geteuid() == 0:
            shutil.chown(data / f"server.{end}", "postgres")
    place.sql("ALTER SYSTEM SET ssl TO on")
    place.sql("SELECT pg_reload_conf()")
    try:
        while place.sql("SHOW ssl") != "on":
            time.sleep(0.1)

        def opened(host, mode, root):
            url = f"jdbc:postgresql://{host}:{place.server.port}/{place.name}?sslmode={mode}&sslrootcert={places[root]}"
            database = place.open(url=url)
            database.close()
            return [found.reason for found in database.problems]

        assert opened("localhost", "verify-full", "server") == opened("127.0.0.1", "verify-ca", "server") == []
        for host, root in (("localhost", "other"), ("127.0.0.1", "server")):
            [reason] = opened(host, "verify-full", root)
            assert "certificate" in reason.lower()
    finally:
        place.sql("ALTER SYSTEM RESET ssl")
        place.sql("SELECT pg_reload_conf()")


def test_a_server_that_cannot_be_reached_may_answer_later():
    assert isinstance(database_error("jdbc:postgresql://h/d", "08001", "refused"), DatabaseBusyError)
    assert not isinstance(database_error("jdbc:postgresql://h/d", "28P01", "wrong"), DatabaseBusyError)
    assert database_error("u", "42501", "no\n right").value == "no right (SQLSTATE 42501)"


@pytest.mark.flow
def test_a_password_may_stand_in_a_prefect_block(monkeypatch):
    from prefect.blocks.system import Secret

    import lakebed.flows  # noqa: F401 - it says how blocks are read

    blocks = {"shop-reader": SimpleNamespace(get=lambda: SECRET)}
    monkeypatch.setattr(Secret, "load", staticmethod(lambda name: blocks[name]))
    config = DatabaseConfig(url="jdbc:postgresql://h/d", user="reader", password_block="shop-reader")  # noqa: S106 - a name
    assert login_of(config) == {"user": "reader", "password": SECRET}
    with pytest.raises(SourceError, match="password is missing") as caught:
        login_of(config.model_copy(update={"password_block": "other"}))
    assert caught.value.value == "the Prefect block other: KeyError"


def test_without_the_driver_the_command_is_named(place_without_driver):
    with pytest.raises(ConfigError) as caught:
        place_without_driver()
    assert "python -m lakebed.connectors.spark.fetch postgresql" in caught.value.hint


@pytest.fixture
def place_without_driver(tmp_path, monkeypatch):
    from lakebed.connectors.spark import jars

    monkeypatch.setattr(jars, "share_folder", lambda: tmp_path)
    monkeypatch.delenv(jars.JARS_VARIABLE, raising=False)
    assert os.listdir(tmp_path) == []
    return lambda: jars.find_set(jars.POSTGRESQL_JARS)

"""One PostgreSQL server for the tests of this package, and a driver, or a reason why not."""

import uuid

import pytest

from connectors.errors import ConfigError
from connectors.lake.databases import DatabaseConfig
from connectors.postgresql.database import open_database
from connectors.spark.jars import POSTGRESQL_JARS, find_set
from connectors.storage import Storage
from tests.services.postgresql import postgresql_server

SECRET = "s3cret-of-the-reader"  # noqa: S105 - of a server that lives as long as a test


@pytest.fixture(scope="session")
def server():
    try:
        find_set(POSTGRESQL_JARS)
    except ConfigError as error:
        pytest.skip(error.hint)
    with postgresql_server() as running:
        running.sql(f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'")
        yield running


class Place:
    """A database of its own, its settings, and what lakebed remembers of it."""

    def __init__(self, server, folder):
        self.server, self.name = server, f"d{uuid.uuid4().hex[:12]}"
        self.memory = Storage.at(str(folder))
        server.sql(f"CREATE DATABASE {self.name}")

    def sql(self, statements):
        return self.server.sql(statements, self.name)

    def config(self, **more):
        url = f"jdbc:postgresql://127.0.0.1:{self.server.port}/{self.name}"
        return DatabaseConfig(**{"url": url, "user": "reader", "password_env": "READER_PASSWORD", **more})

    def open(self, *, is_paranoid=False, **more):
        return open_database("shop", self.config(**more), self.memory, is_paranoid=is_paranoid)

    def states(self, **more):
        """What is known of each table now, after every one has been read."""
        database = self.open(**more)
        try:
            known = {name: state.is_known for name, state in database.states.items()}
            tokens = {name: state.token for name, state in database.states.items()}
            counted = {f"shop/{name}": int(self.sql(f"SELECT count(*) FROM {name}")) for name in known}  # noqa: S608
            database.remember(counted)
        finally:
            database.close()
        return known, tokens


@pytest.fixture
def place(server, tmp_path, monkeypatch):
    monkeypatch.setenv("READER_PASSWORD", SECRET)
    return Place(server, tmp_path)

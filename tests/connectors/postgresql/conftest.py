"""One PostgreSQL server for the tests of this package, or a reason why not; no Java and no driver's jar."""

import pytest

from lakebed.connectors.lake.databases import DatabaseConfig
from lakebed.connectors.postgresql.database import open_database
from lakebed.connectors.storage import Storage
from tests.services.postgresql import postgresql_server

DATABASE = "shop"
SECRET = "s3cret-of-the-reader"  # noqa: S105 - of a server that lives as long as a test


@pytest.fixture(scope="session")
def server():
    with postgresql_server() as running:
        running.sql(f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'; CREATE DATABASE {DATABASE}")
        yield running


class Place:
    """An empty database, its settings, and what lakebed remembers of it."""

    def __init__(self, server, folder):
        self.server, self.name = server, DATABASE
        self.memory = Storage.at(str(folder))
        self.sql("DROP SCHEMA IF EXISTS inner_one CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.sql("GRANT USAGE ON SCHEMA public TO PUBLIC")

    def sql(self, statements):
        return self.server.sql(statements, self.name)

    def config(self, **more):
        url = f"jdbc:postgresql://127.0.0.1:{self.server.port}/{self.name}"
        return DatabaseConfig(**{"url": url, "user": "reader", "password_env": "READER_PASSWORD", **more})

    def open(self, *, is_paranoid=False, raises_busy=False, **more):
        return open_database("shop", self.config(**more), self.memory, is_paranoid=is_paranoid, raises_busy=raises_busy)

    def states(self, **more):
        """Whether each table of `public` is known, and its token; then every one counts as read."""
        database = self.open(**more)
        try:
            found = {name.removeprefix("public."): state for name, state in database.states.items()}
            known = {name: state.is_known for name, state in found.items()}
            tokens = {name: state.token for name, state in found.items()}
            counted = {f"shop/public.{name}": int(self.sql(f"SELECT count(*) FROM {name}")) for name in known}  # noqa: S608
            database.remember(counted)
        finally:
            database.close()
        return known, tokens


@pytest.fixture
def place(server, tmp_path, monkeypatch):
    monkeypatch.setenv("READER_PASSWORD", SECRET)
    return Place(server, tmp_path)

"""A Hive metastore over its own protocol: pyiceberg's copy of it, served over Thrift, with tables in memory."""

import contextlib
import threading
from collections.abc import Iterator

import pytest


class Metastore:
    """Databases and tables; what other clients ask for is an error of the protocol."""

    def __init__(self) -> None:
        from hive_metastore import ttypes

        self._types = ttypes
        self.databases: dict[str, object] = {}
        self.tables: dict[tuple[str, str], object] = {}

    def get_all_databases(self):
        return sorted(self.databases)

    def get_database(self, name):
        if name not in self.databases:
            raise self._types.NoSuchObjectException(name)
        return self.databases[name]

    def create_database(self, database):
        self.databases[database.name] = database

    def drop_database(self, name, deleteData, cascade):
        del self.databases[name]

    def get_all_tables(self, db_name):
        return [table for database, table in self.tables if database == db_name]

    def get_table(self, dbname, tbl_name):
        if (dbname, tbl_name) not in self.tables:
            raise self._types.NoSuchObjectException(f"{dbname}.{tbl_name}")
        return self.tables[dbname, tbl_name]

    def get_table_objects_by_name(self, dbname, tbl_names):
        return [self.get_table(dbname, name) for name in tbl_names]

    def create_table(self, tbl):
        self.tables[tbl.dbName, tbl.tableName] = tbl

    def drop_table(self, dbname, name, deleteData):
        del self.tables[dbname, name]

    def alter_table_with_environment_context(self, dbname, tbl_name, new_tbl, environment_context):
        self.get_table(dbname, tbl_name)
        del self.tables[dbname, tbl_name]
        self.tables[new_tbl.dbName, new_tbl.tableName] = new_tbl

    def lock(self, rqst):
        return self._types.LockResponse(lockid=1, state=self._types.LockState.ACQUIRED)

    def unlock(self, rqst):
        pass


@contextlib.contextmanager
def hive_metastore() -> Iterator[tuple[str, Metastore]]:
    """Its URI, and what it holds; skips where Thrift's package is not installed."""
    pytest.importorskip("thrift", reason="no Thrift here: pip install 'lakebed[iceberg-hive]'")
    from hive_metastore.ThriftHiveMetastore import Processor
    from thrift.protocol.TBinaryProtocol import TBinaryProtocolFactory
    from thrift.server.TServer import TThreadedServer
    from thrift.transport.TSocket import TServerSocket
    from thrift.transport.TTransport import TBufferedTransportFactory

    held, listener = Metastore(), TServerSocket("127.0.0.1", 0)
    listener.listen()
    server = TThreadedServer(Processor(held), listener, TBufferedTransportFactory(), TBinaryProtocolFactory())
    threading.Thread(target=_serve, args=(server, listener), daemon=True).start()
    try:
        yield f"thrift://127.0.0.1:{listener.handle.getsockname()[1]}", held
    finally:
        listener.close()


def _serve(server, listener):
    """A thread for each connection, until the listener is closed."""
    with contextlib.suppress(OSError, AttributeError):
        while client := listener.accept():
            threading.Thread(target=server.handle, args=(client,), daemon=True).start()

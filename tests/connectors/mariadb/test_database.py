"""MariaDB, on a real server: what is listed, read, told of what fails, and known again."""

import datetime as dt
import re
from decimal import Decimal

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.databases import VIEW, DatabaseConfig
from lakebed.connectors.mariadb.client import connection_arguments
from lakebed.connectors.mariadb.database import open_mariadb
from tests.services.machine import free_port
from tests.services.mariadb import mariadb_server

pytest.importorskip("pymysql", reason="pip install PyMySQL, the extra lakebed[mariadb]")
SECRET = "s3cret-of-the-reader"  # noqa: S105 - of a server that lives as long as a test


@pytest.fixture(scope="module")
def server():
    with mariadb_server() as running:
        running.sql(f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{SECRET}'; CREATE DATABASE shop; CREATE DATABASE b")
        running.sql("GRANT SELECT ON shop.* TO reader@'127.0.0.1'")
        yield running


@pytest.fixture
def shop(server, monkeypatch):
    monkeypatch.setenv("READER_PASSWORD", SECRET)
    server.sql("DROP DATABASE shop; CREATE DATABASE shop CHARACTER SET utf8mb4")
    return server


def config(server, database="shop", **more):
    url = f"jdbc:mariadb://127.0.0.1:{server.port}/{database}".rstrip("/")
    return DatabaseConfig(**{"url": url, "user": "reader", "password_env": "READER_PASSWORD", **more})


def tokens(server, **more):
    database = open_mariadb("s", config(server, **more))
    database.close()
    assert not database.problems
    return {source.name: source.files[0].etag for source in database.sources}


def rows(server, table="s/shop.t", **more):
    database = open_mariadb("s", config(server, **more))
    try:
        read = database.plan(table)
        return pa.Table.from_batches(read.batches(), read.schema)
    finally:
        database.close()


DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 1, 2, 3, 4)
# declared type, a value as SQL, the type that comes of it, the value
KINDS = {
    "TINYINT": ("-128", pa.int8(), -128), "TINYINT UNSIGNED": ("255", pa.uint8(), 255),
    "BOOLEAN": ("TRUE", pa.int8(), 1), "SMALLINT": ("-1", pa.int16(), -1),
    "MEDIUMINT UNSIGNED": ("16777215", pa.uint32(), 16777215), "INT": ("7", pa.int32(), 7),
    "INT UNSIGNED ZEROFILL": ("4294967295", pa.uint32(), 2**32 - 1),
    "BIGINT": ("-9223372036854775808", pa.int64(), -(2**63)),
    "BIGINT UNSIGNED": ("18446744073709551615", pa.uint64(), 2**64 - 1),
    "FLOAT": ("16777217.5", pa.float32(), 16777218.0), "DOUBLE": ("0.1", pa.float64(), 0.1),
    "DOUBLE PRECISION": ("1.7976931348623157e308", pa.float64(), 1.7976931348623157e308),
    "DECIMAL(10,2)": ("-12.5", pa.decimal128(10, 2), Decimal("-12.50")),
    "DECIMAL(65,30)": ("1.5", pa.decimal256(65, 30), Decimal("1.5")),
    "BIT(1)": ("b'1'", pa.bool_(), True), "BIT(64)": ("~0", pa.uint64(), 2**64 - 1),
    "CHAR(5)": ("'a'", pa.string(), "a"), "VARCHAR(9)": ("'ä\\n😀'", pa.string(), "ä\n😀"),
    "TINYTEXT": ("''", pa.string(), ""), "LONGTEXT": ("'x\\0y'", pa.string(), "x\0y"),
    "VARCHAR(9) CHARACTER SET latin1": ("'é'", pa.string(), "é"),
    "ENUM('a','b')": ("'b'", pa.string(), "b"), "SET('a','b')": ("'a,b'", pa.string(), "a,b"),
    "JSON": ("'{\"a\": 1}'", pa.string(), '{"a": 1}'),
    "UUID": ("'0b0e7c0a-0000-4000-8000-000000000001'", pa.string(), "0b0e7c0a-0000-4000-8000-000000000001"),
    "INET6": ("'::1'", pa.string(), "::1"),
    "BINARY(3)": ("x'61ff'", pa.binary(), b"a\xff\x00"), "VARBINARY(9)": ("x'00ff'", pa.binary(), b"\x00\xff"),
    "BLOB": ("''", pa.binary(), b""), "LONGBLOB": ("x'ff'", pa.binary(), b"\xff"),
    "YEAR": ("1999", pa.int16(), 1999), "DATE": ("'2024-02-29'", pa.date32(), DAY),
    "DATE NULL": ("'9999-12-31'", pa.date32(), dt.date(9999, 12, 31)),
    "TIME": ("'01:02:03'", pa.time64("us"), dt.time(1, 2, 3)),
    "TIME(6)": ("'23:59:59.999999'", pa.time64("us"), dt.time(23, 59, 59, 999999)),
    "DATETIME": ("'2024-02-29 01:02:03'", pa.timestamp("us"), MOMENT.replace(microsecond=0)),
    "DATETIME(6)": ("'2024-02-29 01:02:03.000004'", pa.timestamp("us"), MOMENT),
    "TIMESTAMP(6) NULL": ("'2024-02-29 01:02:03.000004'", pa.timestamp("us", "UTC"), MOMENT.replace(tzinfo=dt.UTC)),
    "INT AS (1 + 1) STORED": ("DEFAULT", pa.int32(), 2),
}  # fmt: skip


def test_every_type_comes_with_its_values_and_nulls(shop):
    columns = ", ".join(f"c{n} {declared}" for n, declared in enumerate(KINDS))
    values = ", ".join(value for value, _, _ in KINDS.values())
    shop.sql(f"CREATE TABLE t ({columns}); CREATE TABLE empty LIKE t; INSERT INTO t (c0) VALUES (NULL)", "shop")  # noqa: S608
    shop.sql(f"SET time_zone = '+00:00'; INSERT INTO t VALUES ({values})", "shop")  # noqa: S608
    found, empty = rows(shop), rows(shop, "s/shop.empty")
    for n, (declared, (_, type_, value)) in enumerate(KINDS.items()):
        assert found.schema.field(f"c{n}").type == empty.schema.field(f"c{n}").type == type_, declared
        assert found[f"c{n}"].to_pylist() == [value if "AS" in declared else None, value], declared
    assert not empty.num_rows


def test_odd_names_many_columns_and_what_is_no_table(shop):
    names = ["a`b", "select", "ä", 'q"', "%s", "{}", *(f"c{n}" for n in range(1000))]
    quoted = ["`" + name.replace("`", "``") + "`" for name in names]
    shop.sql(f"CREATE TABLE `odd.n``ame` ({', '.join(f'{name} TINYINT' for name in quoted)})", "shop")
    shop.sql(f"INSERT INTO `odd.n``ame` ({', '.join(quoted)}) VALUES ({', '.join('7' for _ in names)})", "shop")  # noqa: S608
    shop.sql("CREATE VIEW v AS SELECT 1 AS x; CREATE SEQUENCE q; CREATE TABLE m (x INT) ENGINE = MyISAM; "
             "CREATE TABLE g (x POINT); CREATE TABLE h (x INT) WITH SYSTEM VERSIONING", "shop")  # fmt: skip
    database = open_mariadb("s", config(shop, ""))
    database.close()
    assert {source.name for source in database.sources} == {"s/shop.`odd.n``ame`", "s/shop.h"}
    found = {problem.name: (problem.format, problem.reason) for problem in database.problems}
    assert found == {
        "s/shop.v": (VIEW, "a view is not read"),
        "s/shop.m": ("mariadb", "its engine keeps no snapshot: MyISAM"),
        "s/shop.g": ("mariadb", "the type of a column cannot be compared: x: point"),
    }
    assert rows(shop, "s/shop.`odd.n``ame`").column_names == names
    assert list(tokens(shop, include=("shop.h",))) == ["s/shop.h"]


def test_as_many_columns_as_a_table_may_have(shop):
    """1,017 for InnoDB, at most 4,096 for the server, and fewer by what their names take; no table has 5,000."""
    columns = [f"c{n} TINYINT" for n in range(5000)]
    shop.sql(f"CREATE TABLE wide ({', '.join(columns[:1017])}); INSERT INTO wide (c0, c1016) VALUES (1, 2), (3, NULL); "  # noqa: S608
             f"CREATE TABLE widest ({', '.join(columns[:2000])}) ENGINE = MyISAM", "shop")  # fmt: skip
    for n, engine in ((1018, "InnoDB"), (5000, "MyISAM")):
        with pytest.raises(AssertionError, match="Too many columns"):
            shop.sql(f"CREATE TABLE more ({', '.join(columns[:n])}) ENGINE = {engine}", "shop")
    database = open_mariadb("s", config(shop))
    database.close()
    assert [*database.tables] == ["s/shop.wide"]
    assert [(one.name, one.reason) for one in database.problems] == [
        ("s/shop.widest", "its engine keeps no snapshot: MyISAM")
    ]
    found = rows(shop, "s/shop.wide")
    assert found.num_columns == 1017 and found["c0"].to_pylist() == [1, 3] and found["c1016"].to_pylist() == [2, None]


def test_one_snapshot_for_all_tables_whatever_others_write(shop):
    shop.sql(
        "CREATE TABLE t (x INT); CREATE TABLE u (x INT); INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)", "shop"
    )
    database = open_mariadb("s", config(shop))
    try:
        shop.sql("BEGIN; UPDATE t SET x = 2; INSERT INTO t VALUES (3); DELETE FROM u; COMMIT", "shop")
        read = [pa.Table.from_batches(one.batches(), one.schema)
                for one in (database.plan("s/shop.t"), database.plan("s/shop.u"))]  # fmt: skip
    finally:
        database.close()
    assert [table["x"].to_pylist() for table in read] == [[1], [1]]
    assert rows(shop)["x"].to_pylist() == [2, 3]


def test_nothing_may_be_written_over_the_connection(shop):
    shop.sql("CREATE TABLE t (x INT); GRANT ALL ON shop.* TO reader@'127.0.0.1'", "shop")
    database = open_mariadb("s", config(shop))
    try:
        with pytest.raises(SourceError, match="cannot be read") as error:
            list(database.connection.rows("INSERT INTO shop.t VALUES (1)", 1))
        assert "READ ONLY" in error.value.value
    finally:
        database.close()


CHANGES = [
    "INSERT INTO t VALUES (3, 'c', 1.5)", "DELETE FROM t WHERE n = 1", "UPDATE t SET s = 'B' WHERE n = 2",
    "UPDATE t SET s = NULL WHERE n = 2", "UPDATE t SET s = '' WHERE n = 2", "UPDATE t SET f = 0.10000000000000002",
    "UPDATE t SET n = n + 1", "ALTER TABLE t ADD z INT", "ALTER TABLE t MODIFY n BIGINT", "TRUNCATE t",
    "ALTER TABLE t RENAME COLUMN s TO other", "UPDATE t SET s = CASE n WHEN 1 THEN 'b' ELSE 'a' END",
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen_and_no_other(shop, change):
    shop.sql("CREATE TABLE t (n INT, s TEXT, f DOUBLE); INSERT INTO t VALUES (1, 'a', 0.1), (2, 'b', 0.1)", "shop")
    shop.sql("CREATE TABLE same (x INT)", "shop")
    before = tokens(shop)
    shop.sql("ALTER TABLE t FORCE; ANALYZE TABLE t", "shop")
    assert tokens(shop) == before
    shop.sql(change, "shop")
    after = tokens(shop)
    assert after["s/shop.t"] != before["s/shop.t"]
    assert after["s/shop.same"] == before["s/shop.same"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"password_env": "NO_SUCH_VARIABLE"}, "the variable NO_SUCH_VARIABLE is not set"),
        ({"user": "nobody"}, "Access denied"),
        ({"url": "jdbc:mariadb://127.0.0.1:{port}/nothing"}, "Access denied|Unknown database"),
        ({"url": "jdbc:mysql://127.0.0.1:{closed}/shop"}, "Can't connect"),
        ({"url": "jdbc:mariadb://127.0.0.1:{port}/shop?useServerPrepStmts=true"}, "useServerPrepStmts=true"),
        ({"url": "jdbc:mariadb://127.0.0.1:{port}/shop?sslMode=verify-full"}, "SSL|certificate"),
    ],
)
def test_what_keeps_a_database_from_being_read_is_told(shop, change, why):
    places = {"port": shop.port, "closed": free_port()}
    change = {key: value.format(**places) for key, value in change.items()}
    database = open_mariadb("s", config(shop, **change))
    assert not database.sources
    (problem,) = database.problems
    assert (problem.name, problem.format) == ("s", "mariadb")
    assert re.search(why, problem.reason), problem.reason
    assert problem.hint and SECRET not in f"{problem}"


def test_values_that_are_no_values_cost_their_table_alone(shop):
    shop.sql("SET sql_mode = ''; CREATE TABLE t (d DATE); INSERT INTO t VALUES ('0000-00-00'); "
             "CREATE TABLE u (t TIME); INSERT INTO u VALUES ('-12:00:00'); CREATE TABLE good (x INT); "
             "INSERT INTO good VALUES (1)", "shop")  # fmt: skip
    database = open_mariadb("s", config(shop))
    try:
        for name in ("t", "u"):
            with pytest.raises(SourceError, match="a column cannot be compared"):
                list(database.plan(f"s/shop.{name}").batches())
        read = database.plan("s/shop.good")
        assert pa.Table.from_batches(read.batches())["x"].to_pylist() == [1]
    finally:
        database.close()


def test_a_table_without_the_right_is_told_by_name(shop):
    shop.sql("CREATE TABLE t (x INT); REVOKE ALL PRIVILEGES, GRANT OPTION FROM reader@'127.0.0.1'; "
             "GRANT INSERT ON shop.t TO reader@'127.0.0.1'", "shop")  # fmt: skip
    try:
        database = open_mariadb("s", config(shop))
        database.close()
    finally:
        shop.sql("GRANT SELECT ON shop.* TO reader@'127.0.0.1'")
    (problem,) = database.problems
    assert problem.name == "s/shop.t" and "denied" in problem.reason


def test_a_server_that_goes_in_the_middle_of_a_table_is_told(shop):
    shop.sql(
        "CREATE TABLE t (x INT, s CHAR(200)); INSERT INTO t SELECT seq, REPEAT('x', 200) FROM seq_1_to_200000", "shop"
    )
    database = open_mariadb("s", config(shop))
    try:
        batches = database.plan("s/shop.t").batches()
        next(batches)
        shop.stop()
        with pytest.raises(SourceError, match="the database cannot be read") as error:
            list(batches)
        assert "ended the connection" in error.value.hint
    finally:
        database.close()
        shop.start()


def test_addresses_and_secrets():
    assert connection_arguments("jdbc:mariadb://h/d?sslMode=verify-ca&serverSslCert=/ca.pem") == {
        "host": "h", "port": 3306, "database": "d", "ssl_verify_cert": True, "ssl_verify_identity": False,
        "ssl_ca": "/ca.pem",
    }  # fmt: skip
    for url in ("jdbc:mariadb://me:pw@h/d", "jdbc:mysql://h/d?user=me&password=pw", "mysql://h/d"):
        with pytest.raises(ValueError, match="should"):
            DatabaseConfig(url=url)

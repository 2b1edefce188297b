"""SQL Server by contract: the real client over the server's own protocol, and answers as its documentation has them.

No SQL Server runs here, so what its SQL answers is unproven; what is asked of it, and what becomes of answers, is held.
"""

import datetime as dt
import re
import sys
from decimal import Decimal

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError, Transient
from lakebed.connectors.lake import batches
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import VIEW, DatabaseConfig
from lakebed.connectors.lake.direct import DirectColumn
from lakebed.connectors.sqlserver.client import IN_TRANSACTION, SYSTEM, Address, SqlserverConnection, address_of
from lakebed.connectors.sqlserver.columns import Declared, make_column
from lakebed.connectors.sqlserver.database import COLUMNS, TABLES, open_sqlserver
from lakebed.connectors.storage import LocalStorage
from lakebed.tasks.inventory.copies import StagedTables, StagingPlace, stage_directly
from lakebed.tasks.inventory.sources import listed_lake
from lakebed.tasks.runtime.workspace import Workspace
from tests.services.machine import free_port
from tests.services.tds import Refusal, tds_server

SECRET = "s3cret-of-the-reader"  # noqa: S105 - of a server that lives as long as a test
UUID = "0B0E7C0A-0000-4000-8000-00000000000F"
# type, precision, scale → what the server sends, the type that comes of it, the value
KINDS = {
    ("tinyint", 3, 0): ("255", pa.uint8(), 255), ("smallint", 5, 0): ("-32768", pa.int16(), -32768),
    ("int", 10, 0): ("-1", pa.int32(), -1), ("bigint", 19, 0): (str(-(2**63)), pa.int64(), -(2**63)),
    ("bit", 1, 0): ("1", pa.bool_(), True),
    ("decimal", 38, 10): ("-1.5000000000", pa.decimal128(38, 10), Decimal("-1.5")),
    ("numeric", 5, 0): ("12345", pa.decimal128(5, 0), Decimal(12345)),
    ("money", 19, 4): ("-922337203685477.5808", pa.decimal128(19, 4), Decimal("-922337203685477.5808")),
    ("smallmoney", 10, 4): ("1.0000", pa.decimal128(10, 4), Decimal(1)),
    ("float", 53, 0): ("1.0000000000000001e-001", pa.float64(), 0.1),
    ("real", 24, 0): ("1.6777218000000000e+007", pa.float32(), 16777218.0),
    ("char", 0, 0): ("a  ", pa.string(), "a  "), ("nvarchar", 0, 0): ("ä\n😀", pa.string(), "ä\n😀"),
    ("ntext", 0, 0): ("", pa.string(), ""), ("xml", 0, 0): ("<a/>", pa.string(), "<a/>"),
    ("json", 0, 0): ('{"a":1}', pa.string(), '{"a":1}'),
    ("uniqueidentifier", 0, 0): (UUID.lower(), pa.string(), UUID.lower()),
    ("binary", 0, 0): (b"a\xff\0", pa.binary(), b"a\xff\0"), ("varbinary", 0, 0): (b"\0", pa.binary(), b"\0"),
    ("timestamp", 0, 0): (b"\0\0\0\0\0\0\x07\xd1", pa.binary(), b"\0\0\0\0\0\0\x07\xd1"),
    ("date", 10, 0): ("0001-01-01", pa.date32(), dt.date(1, 1, 1)),
    ("time", 8, 0): ("01:02:03", pa.time64("us"), dt.time(1, 2, 3)),
    ("time", 16, 7): ("23:59:59.1234560", pa.time64("ns"), dt.time(23, 59, 59, 123456)),
    ("smalldatetime", 16, 0): ("2024-02-29T01:02:00", pa.timestamp("us"), dt.datetime(2024, 2, 29, 1, 2)),
    ("datetime", 23, 3): ("2024-02-29T01:02:03.997", pa.timestamp("us"), dt.datetime(2024, 2, 29, 1, 2, 3, 997000)),
    ("datetime2", 26, 6): ("9999-12-31T23:59:59.999999", pa.timestamp("us"), dt.datetime.max),
    ("datetimeoffset", 30, 3): (
        "2024-02-29T01:02:03.004Z", pa.timestamp("us", "UTC"), dt.datetime(2024, 2, 29, 1, 2, 3, 4000, dt.UTC)
    ),
}  # fmt: skip


class Shop:
    """A database: columns and rows of each table of `dbo`, and what is not a plain table."""

    def __init__(self):
        kinds = [(f"c{n}", *kind) for n, kind in enumerate(KINDS)]
        self.columns = {"t": kinds, "odd.n]ame": [("a]b", "int", 10, 0)]}
        self.rows = {
            "t": [[sent for sent, _, _ in KINDS.values()], [None] * len(KINDS)],
            "odd.n]ame": [[str(n)] for n in range(3000)],
        }
        self.more = [
            ("dbo", "v", "V ", False, False),
            ("dbo", "m", "U ", True, False),
            ("dbo", "far", "U ", False, True),
        ]
        self.hidden = [("dbo", "masked", "x", "int", "10", "0", "1", "0"),
                       ("dbo", "coded", "x", "int", "10", "0", "0", "1"),
                       ("dbo", "shape", "x", "geometry", "0", "0", "0", "0")]  # fmt: skip
        self.refusals = {}
        self.extents = {}

    def __call__(self, sql):
        for pattern, error in self.refusals.items():
            if re.search(pattern, sql):
                raise error
        if sql == TABLES:
            named = {name for _, name, *_ in self.hidden}
            return [*(("dbo", name, "U ", False, False) for name in (*self.columns, *sorted(named))), *self.more]
        if sql == COLUMNS:
            own = [("dbo", table, name, kind, str(p), str(s), "0", "0") for table, all_ in self.columns.items()
                   for name, kind, p, s in all_]  # fmt: skip
            return [*own, *self.hidden, *(("dbo", one, "x", "int", "10", "0", "0", "0") for one in ("m", "far"))]
        if match := re.search(r"FROM \[dbo\]\.\[(.+)\](\) d)?$", sql):
            if sql.startswith("SELECT MAX("):
                return [self.extents[match[1]]]
            rows = self.rows[match[1].replace("]]", "]")]
            return [[str(len(rows)), str(hash(str(rows))), "0"]] if match[2] else rows
        return []


@pytest.fixture
def shop(monkeypatch):
    pytest.importorskip("pytds", reason="no client of SQL Server here: pip install 'lakebed[sqlserver]'")
    monkeypatch.setenv("READER_PASSWORD", SECRET)
    own = Shop()
    with tds_server(own, SECRET) as server:
        own.server = server
        yield own


def config(port, **more):
    url = f"jdbc:sqlserver://127.0.0.1:{port};databaseName=shop;encrypt=false"
    return DatabaseConfig(**{"url": url, "user": "reader", "password_env": "READER_PASSWORD", **more})


def tokens(shop):
    database = open_sqlserver("s", config(shop.server.port))
    database.close()
    return {source.name: source.files[0].etag for source in database.sources}


def test_one_transaction_of_a_snapshot_lists_digests_and_reads(shop):
    database = open_sqlserver("s", config(shop.server.port))
    try:
        reads = {name: database.plan(name) for name in database.tables}
        found = {name: pa.Table.from_batches(read.batches(), read.schema) for name, read in reads.items()}
    finally:
        database.close()
    assert found.keys() == {"s/dbo.t", "s/dbo.[odd.n]]ame]"}
    table = found["s/dbo.t"]
    for n, (kind, (_, type_, value)) in enumerate(KINDS.items()):
        assert table.schema.field(n).type == type_, kind
        assert table[n].to_pylist() == [value, None], kind
    assert found["s/dbo.[odd.n]]ame]"]["a]b"].to_pylist() == list(range(3000))
    assert shop.server.logins == [("reader", "shop", True)]
    statements = [sql for sql, _ in shop.server.asked]
    assert statements[:4] == [
        "use [shop]", "SET LOCK_TIMEOUT 10000", "SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "BEGIN TRANSACTION",
    ]  # fmt: skip
    # whatever is read is read in that transaction, and nothing but reads is asked for
    assert all(is_in for _, is_in in shop.server.asked[4:])
    assert all(sql.startswith("SELECT ") for sql in statements[4:])


def test_what_is_no_table_of_the_snapshot_is_listed_with_its_reason(shop):
    database = open_sqlserver("s", config(shop.server.port))
    database.close()
    assert {problem.name: (problem.format, problem.reason) for problem in database.problems} == {
        "s/dbo.v": (VIEW, "a view is not read"),
        "s/dbo.m": ("sqlserver", "it is in no snapshot: a table in memory"),
        "s/dbo.far": ("sqlserver", "it is in no snapshot: an external table"),
        "s/dbo.masked": ("sqlserver", "the values of a column are not shown: x: masked, and the user may not UNMASK"),
        "s/dbo.coded": ("sqlserver", "the values of a column are not shown: x: encrypted by its writers"),
        "s/dbo.shape": ("sqlserver", "the type of a column cannot be compared: x: geometry"),
    }


def test_a_change_of_rows_or_columns_is_seen_and_no_other(shop):
    before = tokens(shop)
    assert tokens(shop) == before
    shop.rows["odd.n]ame"][0] = ["7"]
    shop.columns["t"][0] = ("c0", "smallint", 5, 0)
    after = tokens(shop)
    assert before.keys() == after.keys() and not {*before.values()} & {*after.values()}


@pytest.mark.parametrize(
    ("where", "number", "hint"),
    [
        ("BEGIN|FROM sys", 3952, "ALLOW_SNAPSHOT_ISOLATION ON"), ("FROM sys", 4060, "databaseName"),
        ("FROM sys", 40613, "see what the server says"),
    ],
)  # fmt: skip
def test_what_the_server_refuses_is_the_databases_trouble(shop, where, number, hint):
    shop.refusals[where] = Refusal(number, "so it says")
    database = open_sqlserver("s", config(shop.server.port))
    (problem,) = database.problems
    assert (problem.name, database.tables) == ("s", {})
    assert f"so it says (error {number})" in problem.reason and hint in problem.hint


def test_a_table_that_may_not_be_read_or_was_altered_is_its_own_trouble(shop):
    shop.refusals[r"HASHBYTES.*\[t\]"] = Refusal(229, "The SELECT permission was denied")
    database = open_sqlserver("s", config(shop.server.port))
    assert list(database.tables) == ["s/dbo.[odd.n]]ame]"]
    assert next(one.hint for one in database.problems if one.name == "s/dbo.t").startswith("GRANT SELECT")
    shop.refusals[r"^SELECT CONVERT.*odd"] = Refusal(1222, "Lock request time out period exceeded")
    with pytest.raises(SourceError, match="1222") as caught:
        list(database.plan("s/dbo.[odd.n]]ame]").batches())
    assert not isinstance(caught.value, Transient)
    shop.refusals.clear()
    assert sum(map(len, database.plan("s/dbo.[odd.n]]ame]").batches())) == 3000
    database.close()


def test_with_the_transaction_the_snapshot_is_over_and_nothing_is_read_outside_of_it(shop):
    database = open_sqlserver("s", config(shop.server.port))
    shop.refusals[r"^SELECT CONVERT.*odd"] = Refusal(3961, "Snapshot isolation failed", rolls_back=True)
    for name, words in (("s/dbo.[odd.n]]ame]", "3961"), ("s/dbo.t", "rolled the transaction back")):
        with pytest.raises(SourceError, match=words) as caught:
            list(database.plan(name).batches())
        assert isinstance(caught.value, Transient) and "run the same command again" in caught.value.hint
    database.close()
    assert [sql for sql, is_in in shop.server.asked[4:] if not is_in] == [IN_TRANSACTION]
    # while it lists, too: what came before is of another snapshot than what would come
    shop.refusals = {r"HASHBYTES.*\[t\]": Refusal(3961, "Snapshot isolation failed", rolls_back=True)}
    database = open_sqlserver("s", config(shop.server.port))
    assert (database.tables, [problem.name for problem in database.problems]) == ({}, ["s"])


@pytest.mark.parametrize(
    ("extent", "sent", "type_", "values"),
    [
        ((False, True), "2024-02-29T01:02:03.1234567", pa.timestamp("ns"), ["2024-02-29 01:02:03.123456700"]),
        ((True, False), "9999-12-31T23:59:59.123456", pa.timestamp("us"), ["9999-12-31 23:59:59.123456"]),
        ((True, False), "0001-01-01T00:00:00.000000", pa.timestamp("us"), ["0001-01-01 00:00:00.000000"]),
        ((True, True), "9999-12-31T23:59:59.9999999", pa.string(), ["9999-12-31T23:59:59.9999999"]),
    ],
)
def test_moments_beyond_nanoseconds_are_read_as_what_holds_them(shop, tmp_path, extent, sent, type_, values):
    shop.columns = {"t": [("till", "datetime2", 27, 7), ("at", "datetimeoffset", 34, 7)]}
    shop.rows, shop.extents = {"t": [[sent, sent + "Z"]]}, {"t": [*extent, *extent]}
    database = open_sqlserver("s", config(shop.server.port))
    read = database.plan("s/dbo.t")
    table, staged = pa.Table.from_batches(read.batches(), read.schema), StagedTables()
    stage_directly([read], StagingPlace(LocalStorage(str(tmp_path)), "a"), staged, ignore_case=True)
    database.close()
    assert [file.notes for file in staged.files["s/dbo.t"]] == [read.notes]
    assert table.schema.field(0).type == type_
    assert table["till"].cast(pa.string()).to_pylist() == values
    assert table["at"].cast(pa.string()).to_pylist() == [values[0] + "Z"]
    digits = 6 if extent == (True, False) else 7
    assert [f"datetime2({digits})" in column.cell for column in read.columns] == [digits == 6, True]
    assert len(read.notes) == 2 * all(extent) and all("as text" in note for note in read.notes)


def test_a_wrong_password_is_told_and_never_shown(shop, monkeypatch):
    monkeypatch.setenv("READER_PASSWORD", "wrong-pass-word")
    (problem,) = open_sqlserver("s", config(shop.server.port)).problems
    assert "Login failed" in problem.reason and "wrong-pass-word" not in str(problem)
    assert "password_env" in problem.hint
    monkeypatch.delenv("READER_PASSWORD")
    (problem,) = open_sqlserver("s", config(shop.server.port)).problems
    assert "READER_PASSWORD is not set" in problem.reason


def test_a_server_that_is_gone_is_told_as_busy(shop):
    with pytest.raises(SourceError) as caught:
        SqlserverConnection(config(free_port()), {"user": "reader", "password": SECRET})
    assert isinstance(caught.value, Transient) and "check host and port" in caught.value.hint


def test_a_lake_lists_it_with_the_local_engine(shop, tmp_path):
    lake = LakeConfig(databases={"shop": config(shop.server.port, include=("dbo.t",))})
    with listed_lake(Workspace(lake=lake, artifacts=str(tmp_path), engine="local")) as opened:
        assert [(one.name, one.format) for one in opened.listing.sources] == [("shop/dbo.t", "sqlserver")]
        assert opened.read("shop/dbo.t").schema.names == [f"c{n}" for n in range(len(KINDS))]
    assert not lake.needs_spark


def test_a_client_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setenv("READER_PASSWORD", SECRET)
    monkeypatch.setitem(sys.modules, "pytds", None)
    (problem,) = open_sqlserver("s", config(1)).problems
    assert "is not installed" in problem.reason and "lakebed[sqlserver]" in problem.hint


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("host;databaseName=a", Address("host", 1433, "a", SYSTEM)),
        ("host:1;encrypt=FALSE;databasename=a", Address("host", 1, "a", None)),
        ("[::1]:1;databaseName=a;serverCertificate=/x/ca.pem", Address("::1", 1, "a", "/x/ca.pem")),
    ],
)
def test_addresses(url, address):
    assert address_of(f"jdbc:sqlserver://{url}") == address


@pytest.mark.parametrize(
    "url", ["host", "host\\one;databaseName=a", "host;databaseName=", "host;databaseName=a;trustServerCertificate=true",
            "host;databaseName=a;encrypt=strict", "host/a"]
)  # fmt: skip
def test_what_an_address_may_not_say_is_refused(url):
    with pytest.raises(SourceError, match="cannot be used"):
        address_of(f"jdbc:sqlserver://{url}")


def test_the_state_of_a_wide_table_is_of_all_its_columns(shop):
    """CONCAT of arguments that are not of a `max` type is cut off at 8,000 bytes, which 250 columns fill."""
    shop.columns = {"t": [(f"c{n}", "int", 10, 0) for n in range(300)]}
    shop.rows = {"t": [["1"] * 300]}
    assert tokens(shop).keys() == {"s/dbo.t"}
    (sql,) = [sql for sql, _ in shop.server.asked if "HASHBYTES" in sql]
    assert sql.count("CONVERT(char(32), HASHBYTES('MD5', ") == 300 and sql.count("CONCAT(") > 1
    assert sql.count("CONCAT(") == sql.count("CONCAT(CONVERT(varchar(max), '')")


def test_rows_come_in_batches_that_memory_holds(shop, monkeypatch):
    """Never more rows than `fetch_rows`, and no more of wide ones than fill a batch."""
    monkeypatch.setattr(batches, "MAX_BATCH_BYTES", 10_000)
    shop.columns = {"t": [("n", "int", 10, 0), ("text", "nvarchar", 0, 0)]}
    shop.rows = {"t": [[str(n), "x" * (4_000 if 300 <= n < 310 else n == 320)] for n in range(400)]}
    database = open_sqlserver("s", config(shop.server.port, fetch_rows=150))
    found = list(database.plan("s/dbo.t").batches())
    database.close()
    assert [len(one) for one in found] == [150, 150, 3, 3, 3, 91]
    assert pa.Table.from_batches(found)["n"].to_pylist() == list(range(400))


def test_what_arrow_cannot_hold_costs_its_table_alone(shop, monkeypatch, tmp_path):
    """Of more than 2 GiB in a batch Arrow makes a column in chunks, which no batch takes."""
    monkeypatch.setattr(DirectColumn, "array", lambda self, cells: pa.chunked_array([cells, []], pa.string()))
    shop.columns, shop.rows = {"t": [("text", "nvarchar", 0, 0)]}, {"t": [["x"]]}
    database, staged = open_sqlserver("s", config(shop.server.port)), StagedTables()
    read = database.plan("s/dbo.t")
    stage_directly([read], StagingPlace(LocalStorage(str(tmp_path)), "a"), staged, ignore_case=True)
    database.close()
    error = staged.errors["s/dbo.t"]
    assert "ChunkedArray" in str(error.value) and "`exclude`" in error.hint and not staged.files


def test_more_columns_than_a_call_has_arguments_and_aliases_of_types():
    column = make_column(Declared("a]b", "nvarchar", 0, 0))
    assert column.cell == "CONVERT(nvarchar(max), [a]]b])"
    moment = make_column(Declared("x", "datetime2", 27, 7))
    assert moment.array(["2024-02-29T01:02:03.1234567"]).cast(pa.int64()).to_pylist() == [1709168523123456700]
    with pytest.raises(SourceError, match="cannot be compared"):
        moment.array(["9999-12-31T00:00:00.0000000"])

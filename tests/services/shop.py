# ruff: noqa: S608 - statements of tests
"""A shop's tables on a PostgreSQL server, and the same tables as Arrow."""

import csv
import io
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa

READER, SECRET = "reader", "s3cret-of-the-reader"
DATABASE = "shop"
N_ORDERS = 6_000
N_ACCOUNTS, BALANCE = 40_000, 100

ORDERS_SQL = (
    "id bigint PRIMARY KEY, customer integer, amount numeric(10, 2), city text, placed timestamp, "
    "seen timestamp with time zone, day date, paid boolean, ratio double precision, note varchar(20)"
)


def orders(first=0, n_rows=N_ORDERS):
    """Rows by their number, so that a part of the numbers is a part of the table."""
    numbers = range(first, first + n_rows)
    begin = datetime(2024, 1, 1, 12, 30)
    placed = [begin + timedelta(seconds=61 * i, microseconds=i % 1000) for i in numbers]
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "customer": pa.array([i * 7 % 997 for i in numbers], pa.int32()),
            "amount": pa.array([Decimal(i * 31 % 100_000) / 100 for i in numbers], pa.decimal128(10, 2)),
            "city": pa.array([f'Stadt {i % 50} ß, "x"' for i in numbers]),
            "placed": pa.array(placed, pa.timestamp("us")),
            "seen": pa.array([one.replace(tzinfo=UTC) for one in placed], pa.timestamp("us", tz="UTC")),
            "day": pa.array([one.date() for one in placed], pa.date32()),
            "paid": pa.array([i % 3 == 0 for i in numbers]),
            "ratio": pa.array([i / 7 for i in numbers], pa.float64()),
            "note": pa.array([None if i % 5 else f"n{i}" for i in numbers]),
        }
    )


def customers():
    ids = range(997)
    return pa.table({"customer": pa.array(ids, pa.int32()), "name": [f"name {i}" for i in ids]})


def tables():
    """The tables of the database by `schema.table`."""
    every = orders()
    return {
        "sales.orders": every,
        "archive.orders_early": every.slice(0, 1500),
        "archive.orders_copy": every,
        "sales.order_cities": every.select(["id", "city", "day"]).slice(100, 2000),
        "sales.customers": customers(),
        "sales.vip": customers().slice(5, 300),
    }


def everything():
    """A row of values, one of nulls, and one of strange values, a column a type."""
    return pa.table(
        {
            "a_bool": pa.array([True, None, False]),
            "a_small": pa.array([-3, None, 32767], pa.int16()),
            "an_int": pa.array([7, None, -(2**31)], pa.int32()),
            "a_big": pa.array([2**40, None, -(2**63)], pa.int64()),
            "a_real": pa.array([1.5, None, float("nan")], pa.float32()),
            "a_double": pa.array([0.1, None, float("-inf")], pa.float64()),
            "a_money": pa.array([Decimal("12.50"), None, Decimal("-99999999.99")], pa.decimal128(10, 2)),
            "a_wide": pa.array([Decimal("1E-20"), None, Decimal(10) ** 39], pa.decimal256(60, 20)),
            "a_free": pa.array([Decimal("1.5"), None, Decimal("-1234567.000001")], pa.decimal128(20, 6)),
            "a_text": pa.array(["äöü €\t\n\\", None, ""]),
            "a_varchar": pa.array(["x", None, " x "]),
            "a_char": pa.array(["ab   ", None, "     "]),
            "a_date": pa.array([date(2020, 2, 29), None, date(1, 1, 1)], pa.date32()),
            "a_time": pa.array([time(12, 0, 0, 5), None, time(23, 59, 59, 999999)], pa.time64("us")),
            "a_stamp": pa.array([datetime(2020, 1, 1, 1, 2, 3, 4), None, datetime(1900, 1, 1)], pa.timestamp("us")),
            "a_moment": pa.array(
                [datetime(2020, 7, 1, 12, tzinfo=UTC), None, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)],
                pa.timestamp("us", tz="UTC"),
            ),
            "some_bytes": pa.array([b"\x00\xff", None, b""], pa.binary()),
            "a_uuid": pa.array(["6ecd8c99-4036-403d-bf84-cf8400f67836", None, "00000000-0000-0000-0000-000000000000"]),
            "a_json": pa.array(['{"a":  1}', None, "[]"]),
            "a_jsonb": pa.array(['{"a": 1}', None, "[]"]),
            "a_mood": pa.array(["fine", None, "bad"]),
            "an_address": pa.array(["10.0.0.1", None, "::1"]),
            "a_span": pa.array(["1 day 02:00:00", None, "-00:00:01"]),
            "some_ints": pa.array([[1, None, 3], None, []], pa.list_(pa.int32())),
            "some_texts": pa.array([['a"b,c', None], None, [""]], pa.list_(pa.string())),
            "some_sums": pa.array([[Decimal("1.25")], None, []], pa.list_(pa.decimal128(8, 2))),
            "some_moments": pa.array(
                [[datetime(2020, 1, 1, tzinfo=UTC)], None, []], pa.list_(pa.timestamp("us", tz="UTC"))
            ),
        }
    )


EVERYTHING_SQL = """
CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE DOMAIN cents AS numeric(10, 2);
CREATE TABLE everything (a_bool boolean, a_small smallint, an_int integer, a_big bigint, a_real real,
  a_double double precision, a_money cents, a_wide numeric(60, 20), a_free numeric, a_text text, a_varchar varchar(9),
  a_char char(5), a_date date, a_time time, a_stamp timestamp, a_moment timestamp with time zone, some_bytes bytea,
  a_uuid uuid, a_json json, a_jsonb jsonb, a_mood mood, an_address inet, a_span interval, some_ints integer[],
  some_texts text[], some_sums numeric(8, 2)[], some_moments timestamp with time zone[]);
INSERT INTO everything VALUES (true, -3, 7, 2::bigint ^ 40, 1.5, 0.1, 12.5, 1e-20, 1.50, E'äöü €\\t\\n\\\\', 'x', 'ab',
  '2020-02-29', '12:00:00.000005', '2020-01-01 01:02:03.000004', '2020-07-01 14:00+02', '\\x00ff',
  '6ecd8c99-4036-403d-bf84-cf8400f67836', '{"a":  1}', '{"a":  1}', 'fine', '10.0.0.1', '26 hours', '{1,NULL,3}',
  ARRAY['a"b,c', NULL], '{1.25}', '{2020-01-01 00:00+00}'), (false, 32767, -2147483648, -9223372036854775808,
  'NaN', '-Infinity', -99999999.99, 10::numeric ^ 39, -1234567.000001, '', ' x ', '', '0001-01-01', '23:59:59.999999',
  '1900-01-01', '1969-12-31 23:59:59+00', '', '00000000-0000-0000-0000-000000000000', '[]', '[]', 'bad', '::1',
  '-1 second', '{}', '{""}', '{}', '{}');
INSERT INTO everything DEFAULT VALUES;
UPDATE everything SET a_span = justify_hours(a_span) WHERE an_int = 7;
"""


def fill(server):
    """Makes the database with a role that may only read, and tables that cannot be compared."""
    server.sql(f"CREATE DATABASE {DATABASE}")
    parts = ["CREATE SCHEMA sales; CREATE SCHEMA archive;"]
    for name, table in tables().items():
        types = dict(part.strip().split(" ", 1) for part in ORDERS_SQL.replace("(10, 2)", "(10;2)").split(","))
        columns = {column: types.get(column, "text").replace(";", ", ") for column in table.column_names}
        parts.append(f"CREATE TABLE {name} ({', '.join(f'{column} {type_}' for column, type_ in columns.items())});")
        parts.append(f"COPY {name} FROM STDIN (FORMAT csv);\n{_csv(table)}\\.\n")
    parts += [
        EVERYTHING_SQL,
        "CREATE TABLE places (id int, at point); CREATE TABLE hidden (id int); CREATE VIEW cheap AS SELECT 1 AS id;",
        "CREATE TABLE dates (until date); INSERT INTO dates VALUES ('infinity');",
        "CREATE TABLE days (id int, day date) PARTITION BY RANGE (day);",
        "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');",
        "CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2024-02-01') TO ('2025-01-01');",
        "INSERT INTO days SELECT i, '2024-01-01'::date + i FROM generate_series(0, 99) i;",
        # two tables whose sums are one, whatever moves between them
        *(
            f"CREATE TABLE bank_{n} (id int, balance bigint, pad text); INSERT INTO bank_{n} SELECT i, {BALANCE}, "
            f"repeat('x', 60) FROM generate_series(1, {N_ACCOUNTS}) i;"
            for n in (1, 2)
        ),
        f"CREATE ROLE {READER} LOGIN PASSWORD '{SECRET}'; ALTER ROLE {READER} SET default_transaction_read_only TO on;",
        f"ALTER ROLE {READER} SET TimeZone TO 'Asia/Tokyo'; ALTER ROLE {READER} SET DateStyle TO 'German';",
        f"GRANT USAGE ON SCHEMA sales, archive TO {READER};",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA sales, archive, public TO {READER}; REVOKE ALL ON hidden FROM {READER};",
        "ANALYZE;",
    ]
    server.sql("\n".join(parts), DATABASE)


def settings(server, name="shop", **more):
    """The database in the config's form."""
    url = f"jdbc:postgresql://127.0.0.1:{server.port}/{DATABASE}"
    return {name: {"url": url, "user": READER, "password_env": "SHOP_PASSWORD", "partition_mib": 1, **more}}


def _csv(table):
    """As COPY reads it: null is an empty cell without quotes."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        writer.writerow(["" if cell is None else cell for cell in row])
    return stream.getvalue()

"""The shop's orders: exports by predicate, time and chance, chains, copies, near misses."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, ParquetFile, ParquetParts
from lakebed.data_samples.model import Claim, Family, SampleTable, copies, replaced
from lakebed.data_samples.randomness import generator, instants, picked

N_ORDERS = 50_000
_SLIM = ["order_id", "customer_id", "amount_cents"]


@cache
def all_orders(seed: int) -> pa.Table:
    """The base: 50,000 orders of 2023 and 2024 with unique ids, in the order of time."""
    rng = generator(seed, "orders")
    start, n_minutes = datetime(2023, 1, 1, tzinfo=UTC), 2 * 365 * 24 * 60
    minutes = np.sort(rng.integers(0, n_minutes, N_ORDERS))
    notes = picked(rng, [None, None, "gift wrap", "call first", "leave at the door, please"], N_ORDERS)
    return pa.table(
        {
            "order_id": pa.array(np.arange(100_000, 100_000 + N_ORDERS)),
            "customer_id": pa.array(rng.integers(1, 8_000, N_ORDERS)),
            "ordered_at": instants(start + timedelta(minutes=int(minute)) for minute in minutes),
            "country": picked(rng, ["DE", "FR", "NL", "AT", "PL", "CH"], N_ORDERS),
            "status": picked(rng, ["open", "paid", "sent", "returned"], N_ORDERS),
            "amount_cents": pa.array(rng.integers(100, 900_000, N_ORDERS)),
            "delivery_note": notes,
            "is_gift": pa.array(rng.random(N_ORDERS) < 0.1),
        }
    )


@cache
def first_quarter(seed: int) -> pa.Table:
    """The orders of January to March 2024."""
    data = all_orders(seed)
    return data.filter(_between(data, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)))


def orders(seed: int) -> Family:
    """The table itself, its copies, and a chain of five tables, each in the next."""
    data, quarter = all_orders(seed), first_quarter(seed)
    rng = generator(seed, "order exports")
    germany = data.filter(_is(data, "country", "DE"))
    quarter_germany = quarter.filter(_is(quarter, "country", "DE"))
    quarter_open = quarter_germany.filter(_is(quarter_germany, "status", "open"))
    shuffled = data.take(pa.array(rng.permutation(N_ORDERS))).select(data.column_names[::-1])
    lucky = data.take(pa.array(np.sort(rng.choice(N_ORDERS, 500, replace=False))))
    tables = (
        SampleTable("sales/orders", data, DeltaTable(n_commits=3), "all orders"),
        SampleTable("archive/orders_reordered", shuffled, ParquetParts(6), "all orders, rows and columns reordered"),
        SampleTable("archive/orders_by_country", data, HivePartitions(("country",)), "all orders, a folder a country"),
        SampleTable("exports/orders_germany", germany, ParquetFile(), "orders where country = DE"),
        SampleTable("exports/orders_2024_q1", quarter, ParquetFile(row_group_rows=2_000), "orders of early 2024"),
        SampleTable("exports/orders_audit_sample", lucky, ParquetFile(), "500 orders drawn at random"),
        SampleTable("exports/orders_slim", data.select(_SLIM), ParquetParts(3), "all orders, three columns"),
        SampleTable("exports/orders_q1_germany", quarter_germany, DeltaTable(), "orders of early 2024 in DE"),
        SampleTable("exports/orders_q1_germany_open", quarter_open, ParquetFile(), "the open ones of these"),
        SampleTable(
            "exports/orders_q1_germany_open_slim",
            quarter_open.select(_SLIM),
            CsvFile(";"),
            "three columns of the open ones",
        ),
    )
    return Family(tables, tuple(_order_claims()))


def _order_claims() -> list[Claim]:
    whole = ("sales/orders", "archive/orders_reordered", "archive/orders_by_country")
    chain = ("open_slim", "open", "")
    prefix = "exports/orders_q1_germany"
    names = [f"{prefix}_{part}".rstrip("_") for part in chain]
    return [
        *copies("the same rows in another order and layout", *whole),
        Claim(names[0], names[1], "three columns of all its rows"),
        Claim(names[1], names[2], "its rows where status = open"),
        Claim(names[2], "exports/orders_2024_q1", "its rows where country = DE"),
        Claim(names[2], "exports/orders_germany", "its rows of January to March 2024"),
        Claim(names[0], "exports/orders_slim", "some rows of the same three columns"),
        Claim("exports/orders_2024_q1", "sales/orders", "its rows of January to March 2024"),
        Claim("exports/orders_germany", "sales/orders", "its rows where country = DE"),
        Claim("exports/orders_audit_sample", "sales/orders", "500 of its rows"),
        Claim("exports/orders_slim", "sales/orders", "three columns of all its rows"),
    ]


def order_states(seed: int) -> Family:
    """A look-up table of few values: contained in everything that has the column."""
    del seed
    states = pa.table({"status": ["open", "paid", "sent", "returned"]})
    note = "the four states of an order"
    holders = ["sales/orders", "exports/orders_2024_q1", "exports/orders_germany", "exports/orders_q1_germany"]
    holders += ["exports/orders_audit_sample"]
    claims = [Claim("reference/order_states", holder, "every state occurs there") for holder in holders]
    spoiled = [*_SPOILED, "orders_crossed"]
    claims += [Claim("reference/order_states", f"staging/{name}", "every state occurs there") for name in spoiled]
    return Family((SampleTable("reference/order_states", states, CsvFile(), note),), tuple(claims))


_SPOILED = {
    "orders_one_bad_cell": 0.0,
    "orders_bad_01_percent": 0.001,
    "orders_bad_1_percent": 0.01,
    "orders_bad_10_percent": 0.1,
}


def near_misses(seed: int) -> Family:
    """Copies of the first quarter that went wrong in few places, within the bounds of every column."""
    quarter, rng = first_quarter(seed), generator(seed, "near misses")
    # an open German order is always among the bad ones, so that every subset of the quarter misses a row
    in_all_subsets = _first_row(quarter, country="DE", status="open")
    tables = []
    for name, fraction in _SPOILED.items():
        others = rng.choice(quarter.num_rows, round(fraction * quarter.num_rows), replace=False)
        bad = sorted({in_all_subsets, *(int(row) for row in others)})
        spoiled = replaced(quarter, "amount_cents", _spoiled(quarter, bad, rng))
        tables.append(SampleTable(f"staging/{name}", spoiled, ParquetFile(), f"orders of early 2024, {len(bad)} wrong"))
    bad_row = replaced(quarter.slice(0, 1), "order_id", [quarter["order_id"][5].as_py()])
    longer = pa.concat_tables([quarter, bad_row]).combine_chunks()
    tables.append(
        SampleTable("staging/orders_one_bad_row", longer, DeltaTable(), "orders of early 2024 and a wrong one")
    )
    note = "orders of early 2024, the amounts of two swapped: each column alone is complete"
    crossed = replaced(quarter, "amount_cents", _crossed(quarter, in_all_subsets))
    tables.append(SampleTable("staging/orders_crossed", crossed, ParquetFile(), note))
    claim = Claim("exports/orders_2024_q1", "staging/orders_one_bad_row", "all its rows but the wrong one")
    return Family(tuple(tables), (claim,))


def _spoiled(data: pa.Table, rows: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Amounts with other values in the given rows, odd multiples away from every true amount of that row."""
    amounts = np.array(data["amount_cents"].to_numpy())
    low, high = amounts.min(), amounts.max()
    middle = (low + high) // 2
    shift = rng.integers(1, 1_000, len(rows))
    amounts[list(rows)] += np.where(amounts[list(rows)] < middle, shift, -shift)
    return amounts


def _crossed(data: pa.Table, row: int) -> np.ndarray:
    amounts = np.array(data["amount_cents"].to_numpy())
    other = int(np.flatnonzero(amounts != amounts[row])[0])
    amounts[[row, other]] = amounts[[other, row]]
    return amounts


def _first_row(data: pa.Table, **wanted: str) -> int:
    mask = pa.array([True] * data.num_rows)
    for column, value in wanted.items():
        mask = pc.and_(mask, _is(data, column, value).combine_chunks())
    return int(np.flatnonzero(mask.to_numpy(zero_copy_only=False))[0])


def _is(data: pa.Table, column: str, value: object) -> pa.ChunkedArray:
    return pc.equal(data[column], value)


def _between(data: pa.Table, start: datetime, end: datetime) -> pa.ChunkedArray:
    kind = data.schema.field("ordered_at").type
    at = data["ordered_at"]
    return pc.and_(pc.greater_equal(at, pa.scalar(start, kind)), pc.less(at, pa.scalar(end, kind)))

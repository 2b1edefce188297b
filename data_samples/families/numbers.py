"""One number in many renderings, and numbers that only look equal."""

from decimal import Decimal

import numpy as np
import pyarrow as pa

from lakebed.data_samples.layouts import DeltaTable, JsonLines, ParquetFile, TextFile
from lakebed.data_samples.model import Claim, Family, SampleTable, copies, replaced
from lakebed.data_samples.randomness import generator


def prices(seed: int) -> Family:
    """The same whole prices as int, float, decimal and text; article codes with leading zeros."""
    rng = generator(seed, "prices")
    amounts = [int(amount) for amount in rng.integers(1, 500, 400)]
    data = pa.table({"article": [f"{number:05d}" for number in range(400)], "price": amounts})
    two_places = [f"{amount}.00" for amount in amounts]
    four_digits = replaced(data, "price", pa.array([f"{amount:04d}" for amount in amounts]))
    places = replaced(data, "price", pa.array(two_places))
    as_floats = replaced(data, "price", pa.array(amounts, pa.float64()))
    as_small_floats = replaced(data, "price", pa.array(amounts, pa.float32()))
    decimals = replaced(data, "price", pa.array([Decimal(text) for text in two_places], pa.decimal128(12, 2)))
    tables = (
        SampleTable("pricing/prices_int", data, ParquetFile(), "prices as integers"),
        SampleTable("pricing/prices_float", as_floats, DeltaTable(), "prices as doubles"),
        SampleTable("pricing/prices_float32", as_small_floats, ParquetFile(), "prices as single floats"),
        SampleTable("pricing/prices_decimal", decimals, ParquetFile(), "prices as decimals"),
        SampleTable("pricing/prices_csv", data, _csv(data), "prices as integers in text"),
        SampleTable("pricing/prices_json", data, JsonLines(ending=".json"), "prices as JSON numbers"),
        SampleTable("pricing/prices_text", four_digits, ParquetFile(), "prices as strings: a string is no number"),
        SampleTable("pricing/prices_two_places", places, _csv(places), "12.00 in text: decimals of two places"),
    )
    same = [table.name for table in tables if table.name != "pricing/prices_text"]
    return Family(tables, tuple(copies("equal numbers in another type", *same)))


def _csv(data: pa.Table) -> TextFile:
    """Unquoted CSV: the codes with leading zeros look like numbers."""
    rows = [",".join(str(cell) for cell in row.values()) for row in data.to_pylist()]
    return TextFile("csv", "\r\n".join([",".join(data.column_names), *rows, ""]), ".csv")


def ledger(seed: int) -> Family:
    """Integers around 2^53, where a double holds only the even ones."""
    del seed
    entries = np.arange(2**53, 2**53 + 1_001)
    whole = pa.table({"entry_no": pa.array(entries)})
    rounded = pa.table({"entry_no": pa.array(entries.astype(np.float64))})
    even = pa.table({"entry_no": pa.array(entries[::2])})
    tables = (
        SampleTable("finance/ledger", whole, ParquetFile(), "1,001 entries from 2^53 on"),
        SampleTable("finance/ledger_as_double", rounded, ParquetFile(), "the entries rounded to doubles, all even"),
        SampleTable("finance/ledger_even", even, ParquetFile(), "the even entries"),
    )
    claims = (
        Claim("finance/ledger_even", "finance/ledger", "every second row"),
        Claim("finance/ledger_even", "finance/ledger_as_double", "even numbers are exact doubles"),
        Claim("finance/ledger_as_double", "finance/ledger_even", "only even numbers, some often", is_bag=False),
    )
    return Family(tables, claims)


def rates(seed: int) -> Family:
    """0.1 as a decimal is not the double next to it; 0.25 and 0.5 are the same in both."""
    del seed
    texts = ["0.10", "0.20", "0.25", "0.50", "0.75"]
    decimals = pa.table({"vat_rate": pa.array([Decimal(text) for text in texts], pa.decimal128(4, 2))})
    doubles = pa.table({"vat_rate": pa.array([float(text) for text in texts])})
    exact = doubles.slice(2)
    tables = (
        SampleTable("finance/rates_decimal", decimals, ParquetFile(), "rates as decimals"),
        SampleTable("finance/rates_double", doubles, ParquetFile(), "rates as doubles, 0.1 and 0.2 not exact"),
        SampleTable("finance/rates_quarters", exact, ParquetFile(), "rates that a double holds exactly"),
    )
    claims = (
        Claim("finance/rates_quarters", "finance/rates_decimal", "exactly equal numbers"),
        Claim("finance/rates_quarters", "finance/rates_double", "the same doubles"),
    )
    return Family(tables, claims)


def readings(seed: int) -> Family:
    """NaN equals NaN and is no null; -0.0 equals 0.0; infinities are values."""
    rng = generator(seed, "readings")
    values = rng.normal(0, 5, 1_500)
    values[:300:3], values[1:300:3], values[2:30:3] = np.nan, -0.0, np.inf
    sensors = pa.array(np.arange(1_500))
    data = pa.table({"sensor_no": sensors, "reading": pa.array(values)})
    positive = replaced(data, "reading", values + 0.0)
    nulls = replaced(data, "reading", pa.array(values, from_pandas=True))
    finite = data.filter(pa.array(np.isfinite(values)))
    tables = (
        SampleTable("iot/readings", data, ParquetFile(), "readings with NaN, -0.0 and infinity"),
        SampleTable("iot/readings_positive_zero", positive, DeltaTable(), "0.0 for -0.0"),
        SampleTable("iot/readings_null_for_nan", nulls, ParquetFile(), "null for NaN"),
        SampleTable("iot/readings_finite", finite, ParquetFile(), "the finite readings"),
    )
    claims = (
        *copies("the same readings: -0.0 = 0.0", "iot/readings", "iot/readings_positive_zero"),
        Claim("iot/readings_finite", "iot/readings", "its finite rows"),
        Claim("iot/readings_finite", "iot/readings_null_for_nan", "its finite rows"),
    )
    return Family(tables, claims)


def flags(seed: int) -> Family:
    """True is not 1."""
    rng = generator(seed, "flags")
    is_on = rng.random(200) < 0.5
    devices = pa.array([f"dev-{number:03d}" for number in range(200)])
    booleans = pa.table({"device": devices, "is_on": pa.array(is_on)})
    integers = pa.table({"device": devices, "is_on": pa.array(is_on.astype(np.int64))})
    switched_on = booleans.filter(pa.array(is_on))
    tables = (
        SampleTable("iot/flags", booleans, ParquetFile(), "flags as booleans"),
        SampleTable("iot/flags_as_int", integers, ParquetFile(), "flags as 0 and 1: a boolean is no number"),
        SampleTable("iot/flags_on", switched_on, JsonLines(), "the flags that are on"),
    )
    return Family(tables, (Claim("iot/flags_on", "iot/flags", "its rows that are on"),))

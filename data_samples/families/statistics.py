"""Tables whose statistics say less than they seem to."""

import numpy as np
import pyarrow as pa

from lakebed.data_samples.delta_log import SparkLikeDelta
from lakebed.data_samples.layouts import DeltaTable, ParquetFile
from lakebed.data_samples.model import Claim, Family, SampleTable, copies, replaced
from lakebed.data_samples.randomness import generator

N_WIDE_COLUMNS = 40


def slots(seed: int) -> Family:
    """The same bounds, nothing else in common."""
    del seed
    numbers = np.arange(0, 1_001)
    even = numbers[::2]
    odd = np.concatenate([[0], numbers[1::2], [1_000]])
    tables = (
        SampleTable("logistics/slots_even", _slots(even), ParquetFile(), "even slots from 0 to 1,000"),
        SampleTable("logistics/slots_odd", _slots(odd), ParquetFile(), "0, the odd slots, and 1,000"),
        SampleTable("logistics/slots", _slots(numbers), ParquetFile(), "all slots"),
    )
    claims = [Claim(f"logistics/slots_{part}", "logistics/slots", "some of its slots") for part in ("even", "odd")]
    return Family(tables, tuple(claims))


def _slots(numbers: np.ndarray) -> pa.Table:
    return pa.table({"slot": pa.array(numbers), "dock": pa.array(numbers // 100)})


def telemetry(seed: int) -> Family:
    """Forty columns: a Delta log has statistics of the first 32 only, and the bad cell lies behind them."""
    rng = generator(seed, "telemetry")
    values = rng.integers(0, 10_000, (2_000, N_WIDE_COLUMNS))
    data = pa.table({f"channel_{column:02d}": pa.array(values[:, column]) for column in range(N_WIDE_COLUMNS)})
    sample = data.take(pa.array(np.sort(rng.choice(2_000, 300, replace=False))))
    bad_tail = sample["channel_38"].to_numpy().copy()
    bad_tail[7] += 1
    tables = (
        SampleTable("iot/telemetry", data, DeltaTable(n_commits=2), "2,000 rows of 40 channels"),
        SampleTable("iot/telemetry_sample", sample, DeltaTable(), "300 of these rows"),
        SampleTable(
            "iot/telemetry_bad_tail", replaced(sample, "channel_38", bad_tail), DeltaTable(), "channel 38 off by 1 once"
        ),
    )
    return Family(tables, (Claim("iot/telemetry_sample", "iot/telemetry", "300 of its rows"),))


def pages(seed: int) -> Family:
    """Addresses that begin alike for longer than any writer keeps of a bound."""
    rng = generator(seed, "pages")
    stem = "https://shop.example.org/catalogue/household/kitchen/utensils/cutlery/"
    urls = [f"{stem}{number:05d}-spoon" for number in range(3_000)] + [f"{stem}zürich-{'é' * 40}"]
    data = pa.table({"url": urls, "n_views": pa.array(rng.integers(0, 10_000, len(urls)))})
    newer = data.slice(1_000)
    moved = replaced(newer, "url", [*newer["url"].to_pylist()[:-1], urls[-1].replace("z", "y")])
    tables = (
        SampleTable("web/pages", data, SparkLikeDelta(n_files=2), "addresses; log bounds cut at 32 characters"),
        SampleTable("web/pages_plain", data, ParquetFile(), "all addresses; bounds never cut"),
        SampleTable("web/pages_newer", newer, SparkLikeDelta(), "the later addresses; log bounds cut the same"),
        SampleTable("web/pages_newer_rs", newer, DeltaTable(), "the later addresses; bounds cut at 64 bytes"),
        SampleTable("web/pages_newer_cut", newer, ParquetFile(is_cutting_bounds=True), "the same as plain Parquet"),
        SampleTable("web/pages_moved", moved, SparkLikeDelta(), "the later addresses, one behind the cut moved"),
    )
    newer_names = ("web/pages_newer", "web/pages_newer_rs", "web/pages_newer_cut")
    claims = (
        *copies("the same addresses", "web/pages", "web/pages_plain"),
        *copies("the same later addresses", *newer_names),
        Claim("web/pages_newer", "web/pages", "its later rows"),
    )
    return Family(tables, claims)


def invoices(seed: int) -> Family:
    """A deletion vector hides the smallest and the largest invoice; the log's bounds still show them."""
    rng = generator(seed, "invoices")
    numbers = np.arange(1, 1_001)
    amounts = rng.integers(100, 90_000, 1_000)
    data = pa.table({"invoice_no": pa.array(numbers), "invoice_cents": pa.array(amounts)})
    is_void = (numbers % 10 == 1) | (numbers == 1_000)
    void, valid = data.filter(pa.array(is_void)), data.filter(pa.array(~is_void))
    tables = (
        SampleTable("billing/invoices", valid, SparkLikeDelta(deleted=void), "invoices, void ones marked deleted"),
        SampleTable("billing/invoices_void", void, ParquetFile(), "the void invoices"),
        SampleTable("billing/invoices_before", data, ParquetFile(), "all invoices, void ones too"),
        SampleTable("billing/invoices_paid", valid.slice(0, 400), ParquetFile(), "400 valid invoices"),
    )
    claims = (
        Claim("billing/invoices", "billing/invoices_before", "its valid rows"),
        Claim("billing/invoices_void", "billing/invoices_before", "its void rows"),
        Claim("billing/invoices_paid", "billing/invoices", "400 of its rows"),
    )
    return Family(tables, claims)


def articles(seed: int) -> Family:
    """A Delta folder in which the files of an overwritten version still lie; years are partitions."""
    rng = generator(seed, "articles")
    before = pa.table({"article_no": pa.array(np.arange(500)), "year": pa.array(rng.integers(2021, 2025, 500))})
    data = before.slice(150, 300)
    layout = DeltaTable(n_commits=2, partition_by=("year",), before=before)
    tables = (
        SampleTable("catalogue/articles", data, layout, "the articles of today; files of a former version beside"),
        SampleTable("catalogue/articles_former", before, ParquetFile(), "the articles of the former version"),
        SampleTable("catalogue/articles_new", data.slice(100), ParquetFile(), "the newest articles"),
    )
    claims = (
        Claim("catalogue/articles", "catalogue/articles_former", "300 of its rows"),
        Claim("catalogue/articles_new", "catalogue/articles", "its last 200 rows"),
    )
    return Family(tables, claims)

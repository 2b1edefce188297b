"""Points in time: microseconds that statistics in milliseconds do not show, and dates."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from lakebed.data_samples.delta_log import SparkLikeDelta
from lakebed.data_samples.layouts import DeltaTable, ParquetFile
from lakebed.data_samples.model import Claim, Family, SampleTable, copies, with_cell
from lakebed.data_samples.randomness import generator, instants, picked

N_CLICKS = 20_000


def clicks(seed: int) -> Family:
    """A log's stored max is cut to milliseconds and so lies below the true max of a child."""
    rng = generator(seed, "clicks")
    start = datetime(2025, 6, 1, tzinfo=UTC)
    gaps = rng.integers(1, 900_000, N_CLICKS)
    micros = np.cumsum(gaps) // 1_000 * 1_000
    micros[::2] += 1 + rng.integers(0, 999, len(micros[::2]))
    micros[-1] += 789 - micros[-1] % 1_000  # the last click lies between two milliseconds
    at = instants(start + timedelta(microseconds=int(micro)) for micro in micros)
    data = pa.table({"clicked_at": at, "page": picked(rng, ["home", "cart", "help"], N_CLICKS)})
    late = data.slice(N_CLICKS - 3_000)
    shifted_last = with_cell(late, "clicked_at", 2_999, data["clicked_at"][-1].as_py() - timedelta(microseconds=1))
    is_whole = pa.array(micros % 1_000 == 0)
    whole = data.filter(is_whole)
    in_millis = whole.set_column(0, "clicked_at", whole["clicked_at"].cast(pa.timestamp("ms", "UTC")))
    tables = (
        SampleTable("events/clicks", data, SparkLikeDelta(n_files=3), "clicks in microseconds"),
        SampleTable("events/clicks_copy", data, DeltaTable(partition_by=("page",)), "the clicks, a folder a page"),
        SampleTable("events/clicks_late", late, ParquetFile(), "the last 3,000 clicks"),
        SampleTable("events/clicks_late_shifted", shifted_last, ParquetFile(), "these, the last 1 µs earlier"),
        SampleTable("events/clicks_millis", in_millis, ParquetFile(), "the clicks on a whole millisecond"),
    )
    claims = (
        *copies("the same clicks", "events/clicks", "events/clicks_copy"),
        Claim("events/clicks_late", "events/clicks", "its last rows"),
        Claim("events/clicks_millis", "events/clicks", "equal instants in another unit"),
    )
    return Family(tables, claims)


def holidays(seed: int) -> Family:
    """A date is not midnight of that day."""
    del seed
    days = [date(2024, month, 1) for month in range(1, 13)]
    midnights = instants(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days)
    tables = (
        SampleTable("hr/holidays", pa.table({"holiday": pa.array(days)}), ParquetFile(), "days as dates"),
        SampleTable("hr/holidays_midnight", pa.table({"holiday": midnights}), ParquetFile(), "days as points in time"),
        SampleTable("hr/holidays_summer", pa.table({"holiday": pa.array(days[5:8])}), ParquetFile(), "three days"),
    )
    return Family(tables, (Claim("hr/holidays_summer", "hr/holidays", "three of its days"),))

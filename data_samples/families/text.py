"""CSV and JSON as they come: no header, other delimiters, types that change from row to row."""

import numpy as np
import pyarrow as pa

from lakebed.data_samples.layouts import CsvFile, JsonLines, ParquetFile
from lakebed.data_samples.model import Claim, Family, SampleTable, copies
from lakebed.data_samples.randomness import generator, picked


def scans(seed: int) -> Family:
    """Files without a header: their columns are numbered."""
    rng = generator(seed, "scans")
    numbers = pa.array(np.arange(70_000, 71_200))
    data = pa.table({"c1": numbers, "c2": picked(rng, ["gate A", "gate B"], 1_200)})
    tables = (
        SampleTable("scans/all", data, CsvFile(";", has_header=False), "scans without a header"),
        SampleTable("scans/night", data.slice(700), CsvFile("\t", has_header=False, ending=".tsv.gz"), "the last ones"),
    )
    return Family(tables, (Claim("scans/night", "scans/all", "its last rows"),))


def shipments(seed: int) -> Family:
    """JSON lines with keys left out for nulls, compressed, and the same as Parquet."""
    rng = generator(seed, "shipments")
    weights = [None if rng.random() < 0.1 else float(kilos) + 0.5 for kilos in rng.integers(0, 30, 1_000)]
    data = pa.table(
        {
            "parcel": pa.array([f"P{number:06d}" for number in range(1_000)]),
            "weight_kg": pa.array(weights, pa.float64()),
            "is_express": pa.array(rng.random(1_000) < 0.2),
        }
    )
    heavy = data.filter(pa.array([weight is not None and weight > 20 for weight in weights]))
    tables = (
        SampleTable("logistics/shipments", data, ParquetFile(), "parcels"),
        SampleTable(
            "logistics/shipments_feed",
            data,
            JsonLines(".jsonl.gz", is_omitting_nulls=True),
            "the same as JSON, keys of nulls left out",
        ),
        SampleTable("logistics/shipments_heavy", heavy, CsvFile("|"), "the heavy parcels as text"),
    )
    claims = (
        *copies("the same parcels", "logistics/shipments", "logistics/shipments_feed"),
        Claim("logistics/shipments_heavy", "logistics/shipments", "its rows above 20 kg"),
    )
    return Family(tables, claims)

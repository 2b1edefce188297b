"""Names that break what splits, quotes or normalises them."""

import numpy as np
import pyarrow as pa

from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, ParquetFile
from lakebed.data_samples.model import Claim, Family, SampleTable, copies
from lakebed.data_samples.randomness import generator, picked


def odd_names(seed: int) -> Family:
    """Spaces, quotes, dots, slashes and unicode in the names of tables, columns and partition values."""
    rng = generator(seed, "odd names")
    data = pa.table(
        {
            "a.b": pa.array(np.arange(300)),
            "größe (cm)": pa.array(rng.integers(1, 200, 300)),
            'say "hi"': picked(rng, ["x", "y", "it's"], 300),
            "in/out %": picked(rng, ["São Paulo", "a/b=c", "50 %", None], 300),
        }
    )
    # the leaf b of a struct a is another column than the one called a.b
    struct = pa.array([{"b": number} for number in range(300)])
    folder = "odd names/büro & co"
    tables = (
        SampleTable(f"{folder}/v1.2 'final' copy", data, ParquetFile(), "columns with odd names"),
        SampleTable(f"{folder}/v1.3", data, DeltaTable(), "the same under another odd name"),
        SampleTable(f"{folder}/by place", data, HivePartitions(("in/out %",)), "a folder a place, one for null"),
        SampleTable(f"{folder}/struct", pa.table({"a": struct}), ParquetFile(), "a leaf b of a struct a"),
        SampleTable(f"{folder}/one 'column'", data.select(["a.b"]).slice(100), CsvFile(), "one column called a.b"),
    )
    whole = [table.name for table in tables[:3]]
    claims = (*copies("the same rows", *whole), Claim(tables[4].name, whole[0], "200 of its rows, one column"))
    return Family(tables, claims)


def repeated_columns(seed: int) -> Family:
    """A file with two columns of one name: the second is a column of its own."""
    rng = generator(seed, "repeated columns")
    first, second = pa.array(rng.permutation(1_000)[:100]), pa.array(rng.permutation(1_000)[:100] + 5_000)
    twice = pa.Table.from_arrays([first, second], names=["repeated", "repeated"])
    once = pa.table({"repeated": first.slice(10)})
    other = pa.table({"repeated": second.slice(10)})
    tables = (
        SampleTable("odd names/twice", twice, ParquetFile(), "two columns of one name"),
        SampleTable("odd names/once", once, ParquetFile(), "the first of them"),
        SampleTable("odd names/other", other, ParquetFile(), "the second of them under the first's name"),
    )
    return Family(tables, (Claim("odd names/once", "odd names/twice", "rows of its first column"),))


def collisions(seed: int) -> Family:
    """Two files whose names differ in the ending only keep it."""
    rng = generator(seed, "collisions")
    data = pa.table({"stock_no": pa.array(np.arange(500)), "n_items": pa.array(rng.integers(0, 50, 500))})
    # the layouts add the ending; the name that lakebed gives has it too
    tables = (
        SampleTable("warehouse/stock.parquet", data, ParquetFile(ending=""), "the stock"),
        SampleTable("warehouse/stock.csv", data.slice(0, 100), CsvFile(ending=""), "the first hundred items as text"),
    )
    return Family(tables, (Claim(tables[1].name, tables[0].name, "its first hundred rows"),))

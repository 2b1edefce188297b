"""The columns' folded values beside the index, memory-mapped: what `joinable` compares.

folded_indptr.npy folded.npy folded_last.npy        each column's value numbers, and up to which it kept all
folded_hash.npy                                     the hash of each value
folded_column_indptr.npy folded_column.npy          the columns of each value
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.tasks.keys.kernel.columns import Lake, postings

ARRAYS = ("folded_indptr", "folded", "folded_last", "folded_hash", "folded_column_indptr", "folded_column")
FACTS = ("position", "n_rows", "n_filled", "n_distinct", "kind", "low", "high", "length")
Array = NDArray[Any]


def folded_arrays(lake: Lake) -> Mapping[str, Array]:
    """The arrays by the names of their files."""
    indptr, columns = postings(lake)
    return dict(zip(ARRAYS, (lake.indptr, lake.values, lake.last, lake.hashes, indptr, columns), strict=True))


def folded_facts(lake: Lake) -> dict[str, Array]:
    """What is counted of each column, as columns of `columns.parquet`; their names begin with `folded_`."""
    return {f"folded_{name}": getattr(lake, name) for name in FACTS}


def lake_of_files(tables: list[str], columns: pa.Table, names: list[str], read: Callable[[str], Array]) -> Lake:
    """The columns as the search for keys takes them; arrays stay mapped.

    Args:
        tables: names by number.
        columns: `columns.parquet`.
        names: of the columns.
        read: opens an array by its name.
    """
    held = dict(zip(("indptr", "values", "last", "hashes"), map(read, ARRAYS[:4]), strict=True))
    facts = {name: np.asarray(columns[f"folded_{name}"].to_numpy()) for name in FACTS}
    table_of = np.asarray(columns["table"].to_numpy(), np.int64)
    return Lake(tables=tables, names=names, table_of=table_of, **held, **facts)

"""The columns of a lake graph as the kernel takes them."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.keys.kernel.columns import KINDS, Float64, Int64, Lake, numbered

# what is read of `column_values`
VALUE_COLUMNS = (
    "position", "n_rows", "n_filled", "value_kind", "low", "high", "n_folded", "threshold", "folded", "texts",
)  # fmt: skip
# of the tables of a lakegraph artifact
READ = {
    "nodes": ("node_id", "kind", "label"),
    "graph_columns": ("node_id", "table_node", "token"),
    "column_values": ("node_id", *VALUE_COLUMNS),
}
TEXTS_MEASURED = 64


def lake_of_graph(nodes: pa.Table, columns: pa.Table, values: pa.Table) -> Lake:
    """From the tables of a lakegraph artifact that READ names, in its order."""
    tables = nodes.filter(pc.equal(nodes["kind"], "table"))
    tables, columns, values = (table.sort_by("node_id") for table in (tables, columns, values))
    first = int(tables["node_id"][0].as_py()) if tables.num_rows else 0
    names = [path_text(token) for token in columns["token"].to_pylist()]
    table_of = np.asarray(columns["table_node"].to_numpy(), np.int64) - first
    return lake_of_columns(tables["label"].to_pylist(), names, table_of, values)


def path_text(token: str) -> str:
    """The steps of a column's path, joined by dots."""
    return ".".join(str(step) for step in json.loads(token))


def lake_of_columns(tables: Sequence[str], names: Sequence[str], table_of: Int64, values: pa.Table) -> Lake:
    """From names and the table `column_values`, whose rows are the columns in the order of their tables.

    Shapes: tables (T,); names, table_of (C,).
    """
    figures = {name: _figures(values[name]) for name in ("n_rows", "n_filled", "low", "high", "n_folded")}
    hashes = [np.frombuffer(text, ">u8").astype(np.uint64) for text in values["folded"].to_pylist()]
    cut = [None if text is None else int.from_bytes(text, "big") for text in values["threshold"].to_pylist()]
    indptr, numbers, last, known = numbered(hashes, cut)
    return Lake(
        tables=tables,
        names=names,
        table_of=table_of,
        position=np.asarray(values["position"].to_numpy(), np.int64),
        n_rows=figures["n_rows"],
        n_filled=figures["n_filled"],
        n_distinct=figures["n_folded"],
        kind=np.asarray(pc.index_in(values["value_kind"], pa.array(KINDS)).to_numpy(), np.int64),
        low=figures["low"],
        high=figures["high"],
        length=_lengths(values["texts"]),
        indptr=indptr,
        values=numbers,
        last=last,
        hashes=known,
    )


def _figures(column: pa.ChunkedArray) -> Float64:
    return np.asarray(pc.fill_null(pc.cast(column, pa.float64()), float("nan")).to_numpy(), np.float64)


def _lengths(texts: pa.ChunkedArray) -> Float64:
    """Mean characters of the first texts of each column; 0 where there is none."""
    some = pc.list_slice(texts, 0, TEXTS_MEASURED)
    owner = pc.list_parent_indices(some).to_numpy()
    sizes = pc.utf8_length(pc.list_flatten(some)).to_numpy()
    n = np.bincount(owner, minlength=len(texts))
    found: Float64 = np.bincount(owner, sizes, minlength=len(texts)) / np.maximum(n, 1)
    return found

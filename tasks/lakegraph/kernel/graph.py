"""The arrays of a graph: nodes by key order, edges each once, and how keys become numbers."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
UInt64 = NDArray[np.uint64]

_HEX = np.array([f"{byte:02x}" for byte in range(256)], "S2")


@dataclass(frozen=True)
class NodeTable:
    """The vertices in the order of their ids. Shapes: kind, key, label (n,), Arrow strings."""

    kind: pa.Array
    key: pa.Array
    label: pa.Array


@dataclass(frozen=True)
class EdgeTable:
    """The edges. Shapes: source < target, weight (m,); ascending by (source, target), no pair twice.

    Attributes:
        kind: (m,) Arrow strings.
    """

    source: Int64
    target: Int64
    weight: Float32
    kind: pa.Array


@dataclass(frozen=True)
class Graph:
    """Nodes and edges."""

    nodes: NodeTable
    edges: EdgeTable


def table_key(name: str) -> str:
    """The key of a table's node."""
    return f"table:{name}"


def column_key(table: str, path: list[str | int]) -> str:
    """The key of a column's node: the JSON text of table and path, in which no name can imitate another."""
    return "column:" + json.dumps([table, *path], ensure_ascii=False, separators=(",", ":"))


def value_keys(hashes: UInt64) -> pa.Array:
    """The keys of values' nodes: `value:` and 16 hex digits; ascending hashes give ascending keys."""
    return hex_texts("value:", hashes)


def hex_texts(head: str, numbers: UInt64) -> pa.Array:
    """The head and 16 hex digits of each number."""
    n, prefix = len(numbers), np.frombuffer(head.encode(), np.uint8)
    width = len(prefix) + 16
    text = np.empty((n, width), np.uint8)
    text[:, : len(prefix)] = prefix
    text[:, len(prefix) :] = _HEX[numbers.astype(">u8").view(np.uint8)].view(np.uint8).reshape(n, 16)
    offsets = pa.py_buffer(np.arange(n + 1, dtype=np.int64) * width)
    return pa.LargeStringArray.from_buffers(n, offsets, pa.py_buffer(text)).cast(pa.string())


def repeated(text: str, n: int) -> pa.Array:
    """The text n times."""
    return pa.repeat(pa.scalar(text), n)

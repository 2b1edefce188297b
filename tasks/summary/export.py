"""Summaries on disk, and graphs for other tools."""

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.connectors.storage import Storage
from lakebed.tasks.summary.contract import ARRAYS
from lakebed.tasks.summary.kernel.model import SignedEdges, Summary

if TYPE_CHECKING:
    import scipy.sparse

FACTS = "summary.json"
KEYS = "keys.parquet"
WEIGHTS = "weights.parquet"


@dataclass(frozen=True)
class StoredSummary:
    """A summary, the key of each node (n_nodes,), and what is known of it."""

    summary: Summary
    keys: NDArray[Any]
    facts: Mapping[str, Any]


def save_arrays(storage: Storage, folder: str, summary: Summary) -> None:
    """Writes the summary's arrays as `.npy` files that can be mapped into memory."""
    edges = summary.signed_edges
    found: dict[str, NDArray[Any]] = {
        "parent": summary.parent,
        "source": edges.source,
        "target": edges.target,
        "sign": edges.sign,
    }
    for name, array in found.items():
        data = io.BytesIO()
        np.save(data, array, allow_pickle=False)
        storage.write_bytes_atomic(f"{folder}/{ARRAYS[name]}" if folder else ARRAYS[name], data.getvalue())


def load_arrays(folder: str, n_nodes: int) -> Summary:
    """The summary of a folder, its arrays mapped into memory, or read from an object store.

    Raises:
        ArtifactError: if a file is missing or damaged.
    """
    try:
        found = {name: _load_array(Storage.at(folder), path) for name, path in ARRAYS.items()}
    except (OSError, ValueError) as error:
        hint = "run `lakebed summarize` again"
        raise ArtifactError("cannot read the summary's arrays", value=f"{folder}: {error}", hint=hint) from error
    return Summary(n_nodes, found["parent"], SignedEdges(found["source"], found["target"], found["sign"]))


def _load_array(storage: Storage, path: str) -> NDArray[Any]:
    if storage.is_local:
        mapped: NDArray[Any] = np.load(storage.uri(path), mmap_mode="r", allow_pickle=False)
        return mapped
    read: NDArray[Any] = np.load(io.BytesIO(storage.read_bytes(path)), allow_pickle=False)
    return read


def save(folder: str, stored: StoredSummary) -> None:
    """Writes a summary to a folder; `summary.json` last."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    storage = Storage.at(folder)
    storage.make_folder("arrays")
    save_arrays(storage, "", stored.summary)
    data = io.BytesIO()
    pq.write_table(pa.table({"key": pa.array(stored.keys)}), data)
    storage.write_bytes_atomic(KEYS, data.getvalue())
    storage.write_bytes_atomic(FACTS, (json.dumps(dict(stored.facts), indent=1) + "\n").encode())


def load(folder: str) -> StoredSummary:
    """A summary that `lakebed summarize --out` wrote.

    Raises:
        ConfigError: if the folder holds no finished summary.
        ArtifactError: if a file is damaged.
    """
    import pyarrow.parquet as pq

    place = Path(folder)
    if not (place / FACTS).is_file():
        hint = "run `lakebed summarize EDGES --out DIR`"
        raise ConfigError("there is no finished summary here", value=folder, expected=f"a file {FACTS}", hint=hint)
    facts = json.loads((place / FACTS).read_text())
    keys = pq.read_table(place / KEYS)["key"].to_numpy(zero_copy_only=False)
    return StoredSummary(load_arrays(folder, int(facts["n_nodes"])), keys, facts)


def to_scipy(summary: Summary) -> "scipy.sparse.csr_array":
    """The adjacency matrix, float32. Shapes: (n_nodes, n_nodes)."""
    from scipy import sparse

    edges = summary.decode()
    ends = np.concatenate([edges, edges[:, ::-1]])
    ones = np.ones(len(ends), np.float32)
    return sparse.csr_array((ones, (ends[:, 0], ends[:, 1])), shape=(summary.n_nodes, summary.n_nodes))


def write_graph(stored: StoredSummary, path: str) -> int:
    """Decodes to a file whose ending says how: .npz scipy, .graphml, .tsv or .txt, each of the last with .gz.

    Returns the number of edges.

    Raises:
        ConfigError: if the ending is another.
    """
    name = Path(path).name.removesuffix(".gz")
    if name.endswith(".npz"):
        from scipy import sparse

        matrix = to_scipy(stored.summary)
        sparse.save_npz(path, matrix)
        return int(matrix.nnz) // 2
    if name.endswith(".graphml"):
        text, n_edges = _graphml(stored)
    elif name.endswith((".tsv", ".txt")):
        text, n_edges = edge_text(stored)
    else:
        expected = ".tsv, .txt, .graphml, each with or without .gz, or .npz"
        raise ConfigError("no format goes by this ending", value=path, expected=expected, hint="choose another name")
    data = text.encode()
    Path(path).write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)
    return n_edges


def edge_text(stored: StoredSummary) -> tuple[str, int]:
    """(the edges as lines of two keys between a tab, their number)."""
    edges = stored.summary.decode()
    names = [str(key) for key in stored.keys.tolist()]
    return "".join(f"{names[u]}\t{names[v]}\n" for u, v in edges.tolist()), len(edges)


def _graphml(stored: StoredSummary) -> tuple[str, int]:
    """The graph as GraphML; nodes are numbered, their keys are an attribute."""
    from xml.sax.saxutils import escape

    edges = stored.summary.decode()
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    lines.append('<key id="key" for="node" attr.name="key" attr.type="string"/>')
    lines.append('<graph edgedefault="undirected">')
    lines += [
        f'<node id="n{i}"><data key="key">{escape(str(key))}</data></node>'
        for i, key in enumerate(stored.keys.tolist())
    ]
    lines += [f'<edge source="n{u}" target="n{v}"/>' for u, v in edges.tolist()]
    return "\n".join([*lines, "</graph>", "</graphml>", ""]), len(edges)

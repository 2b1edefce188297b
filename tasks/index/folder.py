"""An index as an immutable folder: `index.json` written last, all other files held to size and SHA-256 by it.

index.json          space, dim, M, efConstruction, ef, counts, measured recall, library, the stamp of each file
items.parquet       id, metadata, group of equal vectors
vectors-0000.npy …  distinct vectors of each shard
shard-0000.hnsw …   hnswlib's graph of each shard; none where search is exact
shard-0000.npz …    in its place where `storage` is int8: the graph and the vectors at a byte a number
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.connectors.hnsw import (
    LIBRARY,
    FileStamp,
    index_bytes,
    load_index,
    map_stamped,
    mapped_copy,
    read_stamped,
    write_stamped,
)
from lakebed.connectors.storage import Storage
from lakebed.tasks.index.config import IndexConfig, Space, Stored
from lakebed.tasks.index.kernel.codes import CodedShard, coded_shard
from lakebed.tasks.index.kernel.flat import Float32, Floats, prepared
from lakebed.tasks.index.kernel.hnsw import SPACES, BuiltShard, HnswShard, Shard, build_shard
from lakebed.tasks.index.kernel.twins import Twins, collapse
from lakebed.tasks.index.vector_index import FlatIndex, HnswIndex, NamedIndex, VectorIndex

FORMAT = 2
HEAD = "index.json"
_AGAIN = "lakebed run builds the index again"
_ROWS_AT_ONCE = 1 << 14


class Stamp(FrozenConfig):
    """A file of the folder."""

    path: str
    size: int = Field(ge=0)
    sha256: str

    def stamp(self) -> FileStamp:
        """The same for `lakebed.connectors.hnsw`."""
        return FileStamp(self.path, self.size, self.sha256)


class ShardHead(FrozenConfig):
    """One shard: its vectors, its graph (none where search is exact), the tuned ef, the recall measured with it."""

    count: int = Field(ge=0)
    vectors: Stamp
    graph: Stamp | None
    ef: int = Field(ge=0)
    recall: float = Field(ge=0, le=1)


class IndexHead(FrozenConfig):
    """What `index.json` says."""

    format: int
    library: str
    space: Space
    storage: Stored
    dim: int = Field(ge=1)
    links: int
    ef_construction: int
    seed: int
    recall_k: int
    recall_target: float
    n_items: int = Field(ge=0)
    n_vectors: int = Field(ge=0)
    items: Stamp
    shards: tuple[ShardHead, ...]

    @property
    def recall(self) -> float:
        """Of the shards, weighted by their vectors; 1 where search is exact."""
        counts = [shard.count for shard in self.shards]
        return float(np.average([shard.recall for shard in self.shards], weights=counts)) if sum(counts) else 1.0

    @property
    def method(self) -> str:
        """`hnsw` or `flat`."""
        return "hnsw" if any(shard.graph for shard in self.shards) else "flat"


@dataclass(frozen=True)
class ShardWork:
    """What builds one shard: folder, number, config, whether it gets a graph; small enough to be sent to a worker."""

    uri: str
    number: int
    vectors: FileStamp
    config: IndexConfig
    is_flat: bool


# with the id of the first item of each distinct vector
BuildShards = Callable[[Sequence[ShardWork], pa.Array], list[ShardHead]]


def _write_vectors(storage: Storage, vectors: Float32, n_shards: int) -> list[FileStamp]:
    """The distinct vectors, those of each shard in a file of their own: vector p in shard p mod s."""
    return [
        write_stamped(storage, f"vectors-{number:04d}.npy", _npy(vectors[number::n_shards]))
        for number in range(n_shards)
    ]


def build_one(work: ShardWork) -> ShardHead:
    """Builds a shard from its vectors and writes its graph; the same in a Spark worker and here.

    A shard whose graph reaches the recall only by looking at as many vectors as exact search keeps none.

    Raises:
        ArtifactError: if the vectors are not those that were written, or the graph cannot be written.
    """
    vectors = read_vectors(Storage.at(work.uri), work.vectors)
    is_flat = work.is_flat or not len(vectors)
    return shard_head(work, vectors, None if is_flat else build_shard(vectors, work.config))


def shard_head(work: ShardWork, vectors: Float32, built: BuiltShard | None) -> ShardHead:
    """Writes the graph of a shard, unless there is none or it does not reach the recall; what the head says of it.

    Raises:
        ArtifactError: if it cannot be written.
    """
    stamp = Stamp(**asdict(work.vectors))
    if built is None or built.recall < work.config.recall:
        return ShardHead(count=len(vectors), vectors=stamp, graph=None, ef=0, recall=1.0)
    graph = write_stamped(Storage.at(work.uri), *_graph_file(work.number, built))
    return ShardHead(count=len(vectors), vectors=stamp, graph=Stamp(**asdict(graph)), ef=built.ef, recall=built.recall)


def _graph_file(number: int, built: BuiltShard) -> tuple[str, bytes]:
    shard = built.index
    if isinstance(shard, CodedShard):
        return f"shard-{number:04d}.npz", shard.to_bytes()
    return f"shard-{number:04d}.hnsw", index_bytes(shard.index)


def build_here(works: Sequence[ShardWork], _: pa.Array | None = None) -> list[ShardHead]:
    """Builds the shards one after the other, in this process."""
    return [build_one(work) for work in works]


def build_folder(
    uri: str,
    items: pa.Table,
    vectors: Floats,
    config: IndexConfig,
    build: BuildShards = build_here,
) -> IndexHead:
    """Builds an index into an empty folder: sorted by id, twins collapsed, shards built, the head last.

    Args:
        uri: of the folder.
        items: column `id`, each id once, and any metadata.
        vectors: (n, dim), one per row of items.
        config: of the index.
        build: how the shards are built; by an engine where there are many.

    Raises:
        ConfigError: if an id stands twice, or items and vectors differ in number.
        GraphError: if a vector has NaN or infinity, or no direction.
        ArtifactError: if the folder cannot be written.
    """
    order = _order(items, len(vectors))
    ready = prepared(vectors, config.space)[order]
    twins = collapse(ready, config.twin_tolerance)
    distinct, storage = ready[twins.first], Storage.at(uri)
    is_flat = len(distinct) <= config.max_flat
    n_shards = 1 if is_flat else -(-len(distinct) // config.shard_vectors)
    stamps = _write_vectors(storage, distinct, n_shards)
    works = [ShardWork(uri, number, stamp, config, is_flat) for number, stamp in enumerate(stamps)]
    items = items.take(pa.array(order))
    shards = build(works, items["id"].combine_chunks().take(pa.array(twins.first)))
    return _finish_folder(storage, items, twins, shards, ready.shape[1], config)


def _order(items: pa.Table, n_vectors: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    ids = items["id"].to_pylist()
    if len(ids) != n_vectors or len(set(ids)) != len(ids):
        raise ConfigError(
            "ids and vectors do not fit",
            value=f"{len(set(ids)):,} different ids of {len(ids):,}, {n_vectors:,} vectors",
            expected="one vector an id, each id once",
        )
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)


def _finish_folder(
    storage: Storage, items: pa.Table, twins: Twins, shards: Sequence[ShardHead], dim: int, config: IndexConfig
) -> IndexHead:
    """Writes items, then the head, last."""
    groups = np.empty(items.num_rows, np.int64)
    groups[twins.member] = np.repeat(np.arange(len(twins.first)), np.diff(twins.indptr))
    table = items.append_column("group", pa.array(groups))
    stamp = write_stamped(storage, "items.parquet", _parquet(table))
    head = IndexHead(
        format=FORMAT,
        library=LIBRARY,
        space=config.space,
        storage=config.storage,
        dim=dim,
        links=config.links,
        ef_construction=config.ef_construction,
        seed=config.seed,
        recall_k=config.recall_k,
        recall_target=config.recall,
        n_items=items.num_rows,
        n_vectors=len(twins.first),
        items=Stamp(**asdict(stamp)),
        shards=tuple(shards),
    )
    storage.write_bytes_atomic(HEAD, _head_bytes(head))
    return head


def folder_files(head: IndexHead) -> list[str]:
    """Every file of the folder."""
    stamps = [head.items, *(shard.vectors for shard in head.shards), *(s.graph for s in head.shards if s.graph)]
    return [HEAD, *(stamp.path for stamp in stamps)]


def read_head(uri: str) -> IndexHead:
    """What a folder says of itself.

    Raises:
        ArtifactError: if there is no whole index, it is damaged, or of another version.
    """
    storage = Storage.at(uri)
    if not storage.exists(HEAD):
        raise ArtifactError(
            "there is no whole index in this folder", value=uri, expected=f"a folder with {HEAD}", hint=_AGAIN
        )
    data = storage.read_bytes(HEAD)
    try:
        body = json.loads(data)["index"]
        is_other = (body["format"], body["library"]) != (FORMAT, LIBRARY)
        head = IndexHead.model_validate(body)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(uri, str(error)) from error
    if _head_bytes(head) != data:
        raise _damaged(uri, "its digest does not match")
    if is_other:
        raise ArtifactError(
            "the index was made by another version",
            value=f"format {head.format} of {head.library} in {uri}",
            expected=f"format {FORMAT} of {LIBRARY}",
            hint=_AGAIN,
        )
    return head


def open_folder(uri: str) -> NamedIndex:
    """The index, after every file was held to its size and SHA-256; vectors are mapped where `storage` is int8.

    Raises:
        ArtifactError: if a file is missing, half-written, damaged, or of another dimension or version.
    """
    head, storage = read_head(uri), Storage.at(uri)
    items = pq.read_table(io.BytesIO(read_stamped(storage, head.items.stamp())), use_threads=False)
    is_mapped = head.storage == "int8"
    read = _mapped_vectors if is_mapped else read_vectors
    parts = [read(storage, shard.vectors.stamp()) for shard in head.shards]
    graphs = [read_stamped(storage, shard.graph.stamp()) if shard.graph else b"" for shard in head.shards]
    _require_shape(uri, head, items, parts)
    vectors = parts[0] if len(parts) == 1 else _interleaved(parts, is_mapped=is_mapped)
    groups = items["group"].to_numpy()
    order = np.argsort(groups, kind="stable").astype(np.int64)
    indptr = np.searchsorted(groups[order], np.arange(head.n_vectors + 1)).astype(np.int64)
    twins = Twins(order[indptr[:-1]], indptr, order)
    index: VectorIndex = FlatIndex(vectors, head.space)
    if any(graphs):
        loaded = [
            _shard(data, vectors[number :: len(parts)], head) if data else None for number, data in enumerate(graphs)
        ]
        index = HnswIndex(vectors, loaded, [shard.ef for shard in head.shards], head.space)
    return NamedIndex(items.drop_columns("group"), twins, index)


def _shard(data: bytes, vectors: Float32, head: IndexHead) -> Shard:
    if head.storage == "int8":
        return coded_shard(data, vectors, head.space)
    return HnswShard(load_index(data, SPACES[head.space], head.dim, len(vectors)))


def _interleaved(parts: Sequence[Float32], *, is_mapped: bool) -> Float32:
    """Vector p is row p div s of part p mod s; mapped from a file of this process where the parts are."""
    size = _ROWS_AT_ONCE if is_mapped else max(len(part) for part in parts)
    blocks = (_woven([part[at : at + size] for part in parts]) for at in range(0, len(parts[0]), size))
    if not is_mapped:
        return next(blocks)
    mapping = mapped_copy(blocks)
    return np.frombuffer(mapping, np.float32).reshape(-1, parts[0].shape[1])


def _woven(parts: Sequence[Float32]) -> Float32:
    rows = np.empty((sum(len(part) for part in parts), parts[0].shape[1]), np.float32)
    for number, part in enumerate(parts):
        rows[number :: len(parts)] = part
    return rows


def _require_shape(uri: str, head: IndexHead, items: pa.Table, parts: Sequence[Float32]) -> None:
    found = (items.num_rows, [part.shape for part in parts])
    expected = (head.n_items, [(shard.count, head.dim) for shard in head.shards])
    if found != expected or sum(shard.count for shard in head.shards) != head.n_vectors:
        raise ArtifactError(
            "an index's files do not fit each other", value=f"{found} in {uri}", expected=str(expected), hint=_AGAIN
        )


def _damaged(uri: str, reason: str) -> ArtifactError:
    return ArtifactError(
        f"{HEAD} of an index is damaged", value=f"{uri}: {reason}"[:300], expected="what was written", hint=_AGAIN
    )


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()


def _vectors(data: bytes) -> Float32:
    vectors: Float32 = np.load(io.BytesIO(data), allow_pickle=False)
    return vectors


def read_vectors(storage: Storage, stamp: FileStamp) -> Float32:
    """The vectors of a shard.

    Raises:
        ArtifactError: if they are not those that were written.
    """
    return _vectors(read_stamped(storage, stamp))


def _mapped_vectors(storage: Storage, stamp: FileStamp) -> Float32:
    mapping = map_stamped(storage, stamp)
    np.lib.format.read_magic(mapping)
    shape, _, dtype = np.lib.format.read_array_header_1_0(mapping)
    return np.ndarray(shape, dtype, mapping, mapping.tell())


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _digest(body: object) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _head_bytes(head: IndexHead) -> bytes:
    body = head.model_dump(mode="json")
    return json.dumps({"index": body, "sha256": _digest(body)}, indent=1).encode()

"""A root with versions of an index, of which readers always see a whole one.

    current.json                names the version that readers take; replaced at once, last
    versions/<version>/         an index folder; never changed once it is named
    changes/<version>/<n>.parquet   ids added and removed since, each file written at once

A version is built beside the current one; nobody adds to an index that is searched.
"""

import hashlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.connectors.storage import Storage
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.folder import (
    HEAD,
    IndexHead,
    ShardHead,
    ShardWork,
    build_one,
    finish_folder,
    open_folder,
    read_head,
    write_vectors,
)
from lakebed.tasks.index.kernel.flat import Float32, Floats, prepared
from lakebed.tasks.index.kernel.twins import collapse
from lakebed.tasks.index.named import Changes, NamedIndex

BuildShards = Callable[[Sequence[ShardWork]], list[ShardHead]]
CURRENT = "current.json"


def build_here(works: Sequence[ShardWork]) -> list[ShardHead]:
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
        vectors: (n, dim), one a row of items.
        config: of the index.
        build: how the shards are built; on Spark where there are many.

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
    stamps = write_vectors(storage, distinct, n_shards)
    works = [ShardWork(uri, number, stamp, config, is_flat) for number, stamp in enumerate(stamps)]
    return finish_folder(storage, items.take(pa.array(order)), twins, build(works), ready.shape[1], config)


def _order(items: pa.Table, n_vectors: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    ids = items["id"].to_pylist()
    if len(ids) != n_vectors or len(set(ids)) != len(ids):
        raise ConfigError(
            "ids and vectors do not fit",
            value=f"{len(set(ids)):,} different ids of {len(ids):,}, {n_vectors:,} vectors",
            expected="one vector an id, each id once",
        )
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)


def publish(root: str, items: pa.Table, vectors: Floats, config: IndexConfig, build: BuildShards = build_here) -> str:
    """Builds a version beside the current one and makes it current; its name, which follows from its content.

    Raises: as `build_folder`.
    """
    storage = Storage.at(root)
    digest = hashlib.sha256(config.model_dump_json().encode())
    for part in (json.dumps(items["id"].to_pylist()).encode(), np.ascontiguousarray(vectors, np.float32).tobytes()):
        digest.update(hashlib.sha256(part).digest())
    version = digest.hexdigest()[:16]
    if not storage.exists(f"versions/{version}/{HEAD}"):
        storage.delete_folder(f"versions/{version}")
        storage.make_folder(f"versions/{version}")
        build_folder(storage.uri("versions", version), items, vectors, config, build)
    storage.make_folder(f"changes/{version}")
    storage.write_bytes_atomic(CURRENT, json.dumps({"version": version}).encode())
    return version


def current_version(root: str) -> str:
    """The version that readers take.

    Raises:
        ArtifactError: if there is none, or the file that names it is damaged.
    """
    storage = Storage.at(root)
    if not storage.exists(CURRENT):
        raise ArtifactError("no index was published here", value=root, expected=f"a folder with {CURRENT}")
    try:
        version = json.loads(storage.read_bytes(CURRENT))["version"]
        if not isinstance(version, str) or not version.isalnum():
            raise ValueError(f"version {version!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{CURRENT} is damaged", value=error, expected="the name of a version", hint="publish the index again"
        ) from error
    return version


def change(
    root: str, added: Mapping[str, Floats] | None = None, removed: Iterable[str] = (), metadata: pa.Table | None = None
) -> None:
    """Adds and removes ids of the current version, without a build; readers pick it up.

    Args:
        root: with a current version.
        added: vector by id; an id that is there is replaced.
        removed: ids; an added one too.
        metadata: one row an added id, in their order; where the index has metadata.

    Raises:
        ConfigError: if a vector has another dimension, or metadata does not fit.
        GraphError: if a vector has NaN or infinity, or no direction.
    """
    version, storage = current_version(root), Storage.at(root)
    head = read_head(storage.uri("versions", version))
    ids, gone = list(added or {}), sorted(set(removed))
    rows = [np.asarray(vector, np.float32) for vector in (added or {}).values()]
    if any(row.shape != (head.dim,) for row in rows):
        raise ConfigError("an added vector has another dimension than the index", expected=str(head.dim))
    ready = prepared(np.stack(rows), head.space) if rows else np.empty((0, head.dim), np.float32)
    table = pa.table({"id": pa.array([*gone, *ids], pa.string()), "is_added": [False] * len(gone) + [True] * len(ids)})
    flat = np.concatenate([np.zeros((len(gone), head.dim), np.float32), ready]).ravel()
    table = table.append_column("vector", pa.FixedSizeListArray.from_arrays(pa.array(flat), head.dim))
    if metadata is not None:
        for name in metadata.column_names:
            column = pa.chunked_array([pa.nulls(len(gone), metadata[name].type), *metadata[name].chunks])
            table = table.append_column(name, column)
    stream = io.BytesIO()
    pq.write_table(table, stream)
    number = len(storage.list_files(f"changes/{version}"))
    storage.write_bytes_atomic(f"changes/{version}/{number:06d}.parquet", stream.getvalue())


def read_changes(storage: Storage, version: str, index: NamedIndex) -> Changes:
    """All changes of a version, the later ones winning."""
    latest: dict[str, tuple[bool, Float32, dict[str, object]]] = {}
    for file in sorted(storage.list_files(f"changes/{version}"), key=lambda found: found.path):
        table = pq.read_table(io.BytesIO(storage.read_bytes(file.path)), use_threads=False)
        vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, index.dim)
        facts = table.drop_columns(["id", "is_added", "vector"]).to_pylist()
        for place, (item, is_added) in enumerate(
            zip(table["id"].to_pylist(), table["is_added"].to_pylist(), strict=True)
        ):
            latest[item] = (is_added, vectors[place], facts[place])
    added = sorted(item for item, (is_added, _, _) in latest.items() if is_added)
    schema = index.items.drop_columns("id").schema
    return Changes(
        added=tuple(added),
        vectors=np.stack([latest[item][1] for item in added]) if added else np.empty((0, index.dim), np.float32),
        metadata=pa.Table.from_pylist([latest[item][2] for item in added], schema=schema),
        removed=frozenset(item for item, (is_added, _, _) in latest.items() if not is_added),
    )


def is_fold_due(index: NamedIndex, config: IndexConfig) -> bool:
    """Whether so much has changed that searching it beside costs more than a build is worth."""
    n_changed = len(index.changes.added) + len(index.changes.removed)
    return bool(n_changed > config.delta_share * max(1, index.items.num_rows))


def fold(root: str, config: IndexConfig, build: BuildShards = build_here) -> str:
    """Publishes a version in which the changes are built in; the version's name."""
    index = IndexReader(root).get()
    built = np.flatnonzero(~index.is_gone)
    vectors = np.concatenate([index.index.vectors[index.group_of[built]], index.changes.vectors])
    extra = index.changes.metadata.add_column(0, "id", pa.array(index.changes.added, pa.string()))
    items = pa.concat_tables([index.items.take(pa.array(built)), extra.select(index.items.column_names)])
    return publish(root, items, vectors, config, build)


class IndexReader:
    """Always the newest version, without a restart: looks for one when asked, `refresh_s` after the last look."""

    def __init__(self, root: str, refresh_s: float = 1.0) -> None:
        self._storage = Storage.at(root)
        self._root, self._refresh_s = root, refresh_s
        self._lock = threading.Lock()
        self._seen: tuple[str, int] | None = None
        self._index: NamedIndex | None = None
        self._looked = -float("inf")

    def get(self) -> NamedIndex:
        """The index; one that is being read by another thread stays whole until that thread drops it.

        Raises:
            ArtifactError: if none was published, or it is damaged; one that was loaded before stays in use only if
                nothing newer was named.
        """
        with self._lock:
            if self._index is None or time.monotonic() - self._looked >= self._refresh_s:
                self._index = self._refreshed()
                self._looked = time.monotonic()
            return self._index

    def _refreshed(self) -> NamedIndex:
        version = current_version(self._root)
        seen = (version, len(self._storage.list_files(f"changes/{version}")))
        if seen == self._seen and self._index is not None:
            return self._index
        is_known = self._seen is not None and self._seen[0] == version
        index = self._index if is_known else None
        if index is None:
            index = open_folder(self._storage.uri("versions", version))
        self._seen = seen
        return index.changed(read_changes(self._storage, version, index))

"""Row hashes that containment has written: of whole tables under schemas, which then need not be read again.

They are the hashes that this stage would make, under the same key, of the same files. A file holds one bucket of the
hash range, so that a sample, the rows of the least hashes, lies in the first files alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa

from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.hash_files import Block, read_blocks
from lakebed.tasks.containment.previous import PATHS, ROW_HASHES_FOLDER
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanRows
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.previous import read_kept
from lakebed.tasks.scan.engine import Engine, Work, collect

_TABLES, _, _FILES, _ = PATHS
Place = tuple[int, int]
"""The id of a projection, and a table_id."""


@dataclass(frozen=True)
class HeldHashes:
    """Files of row hashes: containment's, none where it kept none, or this stage's own.

    Attributes:
        folder: where the files lie.
        bits: the hash range is cut into 2^bits buckets.
        files: paths by bucket.
        places: whose rows they are, each with all of its rows.
    """

    folder: str = ""
    bits: int = 0
    files: Mapping[int, Sequence[str]] = field(default_factory=dict)
    places: frozenset[Place] = frozenset()

    def cut(self, bits: int) -> dict[int, Sequence[str]]:
        """The files that hold each of 2^bits buckets, which may be smaller than those of the files."""
        finer = max(0, bits - self.bits)
        return {
            bucket: paths for held, paths in self.files.items() for bucket in range(held << finer, (held + 1) << finer)
        }


def load_held(store: ArtifactStore, containment: ArtifactRef, names: Sequence[str]) -> HeldHashes:
    """The row hashes of the artifact; `names` of the tables, by table_id.

    Raises:
        ArtifactError: if what was kept is damaged.
    """
    if not store.manifest(containment).files.keys() >= set(PATHS):
        return HeldHashes()
    base = f"{containment.stage}/{containment.key}"
    tables, files = (read_kept(store.storage, f"{base}/{path}") for path in (_TABLES, _FILES))
    columns = (tables[name].to_pylist() for name in ("name", "table_id", "projections"))
    # behind the tables come readings of text, which are no tables of the lake
    places = {
        (projection, table)
        for name, table, projections in zip(*columns, strict=True)
        if table < len(names) and names[table] == name
        for projection in projections
    }
    by_bucket: dict[int, list[str]] = {}
    for path, bucket in zip(files["path"].to_pylist(), files["bucket"].to_pylist(), strict=True):
        if path:
            by_bucket.setdefault(bucket, []).append(path)
    folder = store.storage.uri(base, ROW_HASHES_FOLDER)
    return HeldHashes(folder, files["bucket_bits"][0].as_py(), by_bucket, frozenset(places))


def blocks_of(folder: str, paths: Sequence[str], places: frozenset[Place] | Mapping[Place, object]) -> Iterator[Block]:
    """The blocks of some tables under some projections.

    Raises:
        ArtifactError: if a file is damaged.
    """
    storage, tables = Storage.at(folder), {table for _, table in places}
    for path in paths:
        for block in read_blocks(storage, path, tables):
            if (block.projection, block.table) in places:
                yield block


def sample_held(engine: Engine, held: HeldHashes, wanted: Mapping[Place, tuple[int, int]]) -> pa.Table:
    """Samples of rows as a scan gives them, rows of SCAN_SCHEMA; `wanted` has number of the projection and level."""
    tasks = []
    for bucket, paths in sorted(held.files.items()):
        # at level l hashes are below 2^(64 - l); a bucket has those from bucket * 2^(64 - bits) on
        mine = {place: what for place, what in wanted.items() if bucket < 1 << max(0, held.bits - what[1])}
        if mine:
            tasks.append((list(paths), mine))
    work = Work(partial(_sample_task, held.folder), SCAN_SCHEMA, f"Sampling the row hashes of {len(wanted):,} tables")
    return collect(engine, work, tasks)


def _sample_task(folder: str, task: tuple[Sequence[str], Mapping[Place, tuple[int, int]]]) -> Iterator[pa.RecordBatch]:
    paths, wanted = task
    found: dict[Place, list[np.ndarray[tuple[int], np.dtype[np.uint64]]]] = {}
    for block in blocks_of(folder, paths, wanted):
        place = (block.projection, block.table)
        high, level = block.rows[:, 0], wanted[place][1]
        found.setdefault(place, []).append(high[high >> np.uint64(64 - level) == 0] if level else high)
    rows = ScanRows()
    for place, parts in found.items():
        rows.add("rows", place[1], wanted[place][0], data=distinct(np.concatenate(parts)).tobytes())
        if rows.is_full:
            yield rows.batch()
    yield rows.batch()

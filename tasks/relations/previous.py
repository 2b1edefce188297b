"""What relations keep for the next run: samples of rows and of values, and what was counted exactly.

The next run reads none of a table that is as it was, but for what it compares with one that is not. A sample of rows
and a count are kept under digests of what they follow from: readings of the tables, parts, names of columns.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.previous import binaries
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanRows
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.relations.kernel.columns import ColumnSamples
from lakebed.tasks.relations.kernel.cover import Signatures
from lakebed.tasks.relations.kernel.exact import UnionCounts
from lakebed.tasks.relations.kernel.overlap import ItemSamples
from lakebed.tasks.relations.parts import Part
from lakebed.tasks.runtime.previous import FOLDER, previous_artifact, read_kept, write_kept
from lakebed.tasks.runtime.stage import Stage

VALUES, ROWS, COUNTS = (f"{FOLDER}/{name}.parquet" for name in ("values", "rows", "counts"))
KEPT = (VALUES, ROWS, COUNTS)

_ROWS = pa.schema([("key", pa.binary(32)), ("level", pa.int32()), ("data", pa.large_binary())])
# of a pair, numbers and hashes alone: (5,) int64, (2, 4) uint64
_COUNTS = pa.schema(
    [
        ("key", pa.binary(32)),
        ("numbers", pa.large_binary()),
        ("hashes", pa.binary(64)),
        ("counts", pa.large_binary()),
        ("bits", pa.large_binary()),
    ]
)


@dataclass(frozen=True)
class Readings:
    """By what items are told from all others, in this run and any.

    Attributes:
        names: of the tables, by table_id.
        digests: of each table's reading, by table_id.
        parts: by item.
    """

    names: Sequence[str]
    digests: Mapping[int, str]
    parts: Mapping[int, Part]

    def of(self, item: int) -> tuple[str, str, str | None]:
        """Name and reading of the table, and the label of the part, where the item is one."""
        part = self.parts.get(item)
        table = part.table_id if part else item
        return self.names[table], self.digests[table], part.label if part else None

    def sample_key(self, projection: int, item: int) -> bytes:
        """Of a sample of an item's rows under a projection, whose id is given."""
        return digest_of([projection, *self.of(item)])


def digest_of(parts: Sequence[object]) -> bytes:
    """32 bytes that tell lists of plain values."""
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).digest()


@dataclass(frozen=True)
class Known:
    """What is reused of the previous artifact; nothing where there is none.

    Attributes:
        values: rows of SCAN_SCHEMA and kind `values`, as the scan would have given them.
        tables: table_ids of the tables they are of.
        before: names of the tables whose values the previous artifact has sampled; None where there is none.
        rows: level and high words of samples of rows, by `Readings.sample_key`.
        pairs: numbers (5,) and hashes (2, 4) of pairs, by the key of what was asked.
        unions: likewise.
    """

    values: pa.Table = field(default_factory=SCAN_SCHEMA.empty_table)
    tables: frozenset[int] = frozenset()
    before: frozenset[str] | None = None
    rows: Mapping[bytes, tuple[int, bytes]] = field(default_factory=dict)
    pairs: Mapping[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    unions: Mapping[bytes, UnionCounts] = field(default_factory=dict)

    def sample(self, key: bytes, level: int) -> bytes | None:
        """The high words of a sample at a level; None where none as fine is known."""
        held, data = self.rows.get(key, (level + 1, b""))
        if held > level:
            return None
        words = np.frombuffer(data, np.uint64)
        return data if held == level else words[words >> np.uint64(64 - level) == 0].tobytes()

    def counts(self, keys: Sequence[bytes]) -> PairCounts:
        """Of pairs that are known."""
        numbers, hashes = (b"".join(self.pairs[key][side] for key in keys) for side in (0, 1))
        return PairCounts.of(
            np.frombuffer(numbers, np.int64).reshape(-1, 5).T,
            np.frombuffer(hashes, np.uint64).reshape(-1, 2, 4).transpose(1, 0, 2),
        )


def load_known(stage: Stage, readings: Readings) -> Known:
    """What the previous artifact of the family has kept, and of its samples of values those that still hold.

    Raises:
        ArtifactError: if what was kept is damaged.
    """
    manifest = previous_artifact(stage, KEPT)
    if manifest is None:
        return Known()
    base = f"{manifest.stage}/{manifest.key}"
    values, rows, counts = (read_kept(stage.store.storage, f"{base}/{path}") for path in KEPT)
    known = zip(*(rows[name].to_pylist() for name in ("level", "data")), strict=True)
    pairs, unions = _split_counts(counts)
    return Known(
        *_known_values(values, readings),
        frozenset(values["table"].to_pylist()),
        dict(zip(rows["key"].to_pylist(), known, strict=True)),
        pairs,
        unions,
    )


def save_values(
    storage: Storage, folder: str, lake: LakeStatistics, samples: ColumnSamples, readings: Mapping[int, str]
) -> None:
    """Keeps the values of the tables that have a reading, by table_id.

    Args:
        storage: of the artifact root.
        folder: of the artifact, below it.
        lake: the statistics.
        samples: of the lake's columns.
        readings: digest of each table's reading.
    """
    owner = np.repeat(np.arange(len(lake.names)), np.diff(lake.bounds.indptr))
    columns = pa.table(
        {
            "table": pa.array(lake.names, pa.string()).take(pa.array(owner)),
            "token": pa.array(lake.tokens, pa.string()).take(pa.array(lake.bounds.token)),
            "reading": pa.array([readings.get(table) for table in range(len(lake.names))], pa.string()).take(
                pa.array(owner)
            ),
            "level": pa.array(samples.level),
            "data": binaries(samples.indptr * 8, samples.hashes),
        }
    )
    is_kept = pc.and_(pc.is_valid(columns["reading"]), pc.greater_equal(columns["level"], 0))
    write_kept(storage, f"{folder}/{VALUES}", columns.filter(is_kept))


def save_rows(storage: Storage, folder: str, samples: ItemSamples, keys: Sequence[bytes | None]) -> None:
    """Keeps the samples of rows that have a key."""
    data = binaries(samples.indptr * 8, samples.high)
    rows = pa.table([pa.array(keys, pa.binary(32)), pa.array(samples.level, pa.int32()), data], schema=_ROWS)
    write_kept(storage, f"{folder}/{ROWS}", rows.filter(pc.is_valid(rows["key"])))


def save_counts(
    storage: Storage, folder: str, keys: Sequence[bytes | None], pairs: PairCounts, unions: Sequence[UnionCounts]
) -> None:
    """Keeps the counts of pairs, and then of unions, that have a key."""
    hashes = np.concatenate([pairs.child_hash, pairs.matched_hash], axis=1)
    numbers = np.ascontiguousarray(pairs.numbers().T)
    found = [(*(row.tobytes() for row in both), None, None) for both in zip(numbers, hashes, strict=True)]
    for union in unions:
        told = np.array([union.n_child_rows, *union.n_parent_distinct.tolist()], np.int64).tobytes()
        signatures = union.signatures
        found.append((told, b"".join(union.hashes), signatures.counts.tobytes(), signatures.bits.tobytes()))
    columns = [list(keys), *([list(column) for column in zip(*found, strict=True)] or [[], [], [], []])]
    rows = pa.table([pa.array(c, f.type) for c, f in zip(columns, _COUNTS, strict=True)], schema=_COUNTS)
    write_kept(storage, f"{folder}/{COUNTS}", rows.filter(pc.is_valid(rows["key"])))


def _known_values(kept: pa.Table, readings: Readings) -> tuple[pa.Table, frozenset[int]]:
    numbers = {name: table for table, name in enumerate(readings.names)}
    now = [readings.digests.get(numbers.get(name, -1)) for name in kept["table"].to_pylist()]
    kept = kept.filter(pc.equal(kept["reading"], pa.array(now, pa.string())))
    rows = ScanRows()
    columns = (kept[name].to_pylist() for name in ("table", "token", "level", "data"))
    for table, token, level, data in zip(*columns, strict=True):
        rows.add("values", numbers[table], token=token, n_bytes=level, data=data)
    tables = frozenset(numbers[table] for table in set(kept["table"].to_pylist()))
    return pa.Table.from_batches([rows.batch()]), tables


def _split_counts(kept: pa.Table) -> tuple[dict[bytes, tuple[bytes, bytes]], dict[bytes, UnionCounts]]:
    pairs: dict[bytes, tuple[bytes, bytes]] = {}
    unions: dict[bytes, UnionCounts] = {}
    for key, numbers, hashes, counts, bits in zip(*(column.to_pylist() for column in kept.columns), strict=True):
        if counts is None:
            pairs[key] = numbers, hashes
            continue
        n_child_rows, *n_parents = np.frombuffer(numbers, np.int64).tolist()
        n_rows = np.frombuffer(counts, np.int64)
        told = np.frombuffer(bits, np.uint8).reshape(len(n_rows), -(-len(n_parents) // 8))
        parents = np.array(n_parents, np.int64)
        unions[key] = UnionCounts(Signatures(told, n_rows), n_child_rows, parents, (hashes[:32], hashes[32:]))
    return pairs, unions

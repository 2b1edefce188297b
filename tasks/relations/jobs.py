"""The stage's jobs on an engine: a scan that samples, a scan of what samples proposed, one comparison.

The second scan is there because column maps are known only after the first; it reads the proposed tables only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Literal

import numpy as np
import pyarrow as pa

from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.hash_files import hash_rows, read_blocks
from lakebed.tasks.containment.jobs import PairList, pair_sums
from lakebed.tasks.containment.kernel.proof import HashRows, PairCounts, PairSums, compare_pairs
from lakebed.tasks.containment.kernel.schema_graph import Int64
from lakebed.tasks.encoding.sums import unveiled, veiled
from lakebed.tasks.relations.held import HeldHashes, Place, blocks_of
from lakebed.tasks.relations.kernel.cover import Signatures
from lakebed.tasks.relations.kernel.exact import ItemRows, UnionAsked, UnionCounts, UnionSums, compare_union
from lakebed.tasks.relations.worker import hash_cells, hash_splits, sample_cells, sample_splits
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.scan.engine import Engine, Work, collect

Job = Literal["sample", "hash"]
WORK = {"sample": (sample_splits, sample_cells), "hash": (hash_splits, hash_cells)}
COUNTS_SCHEMA = pa.schema(
    [
        pa.field("union", pa.int32(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("counts", pa.binary(), nullable=False),
        pa.field("bits", pa.binary(), nullable=False),
        pa.field("parents", pa.binary(), nullable=False),
        pa.field("hashes", pa.binary(), nullable=False),
        pa.field("peak_bytes", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Asked:
    """What is compared: pairs of items, and unions."""

    pairs: PairList
    unions: tuple[UnionAsked, ...]

    def take(self, places: Int64) -> "Asked":
        """Some of them; pairs are numbered before unions."""
        pairs, n = self.pairs, len(self.pairs.child)
        some = places[places < n]
        taken = PairList(pairs.projection[some], pairs.child[some], pairs.parent[some], pairs.key)
        return Asked(taken, tuple(self.unions[place] for place in (places[places >= n] - n).tolist()))

    def samples(self) -> Iterator[tuple[int, int]]:
        """The (projection id, item) of each member of each of them."""
        for side in (self.pairs.child, self.pairs.parent):
            yield from zip(self.pairs.projection.tolist(), side.tolist(), strict=True)
        for union in self.unions:
            yield from ((union.projection, member) for member in (union.child, *union.parents))

    @property
    def items(self) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """Every item that takes part, ascending."""
        members = [member for union in self.unions for member in (union.child, *union.parents)]
        return np.unique(np.concatenate([self.pairs.child, self.pairs.parent, np.array(members, np.int32)]))


@dataclass(frozen=True)
class Compared:
    """The exact counts of all pairs and unions, in the order asked."""

    pairs: PairCounts
    unions: tuple[UnionCounts, ...]
    peak_worker_bytes: int = 0


_Task = tuple[int, Sequence[str], Sequence[str]]


def compare(engine: Engine, written: HeldHashes, held: HeldHashes, asked: Asked, *, is_bag: bool) -> Compared:
    """Compares on row hashes, a task per bucket: those written for this, and those held, whose buckets may be larger.

    No table may be in both under one projection.
    """
    n_asked = len(asked.pairs.child) + len(asked.unions)
    places = held.places & set(asked.samples())
    run = partial(_compare_task, (written.folder, held.folder), places, written.bits, asked, is_bag)
    work = Work(run, COUNTS_SCHEMA, f"Comparing {n_asked:,} relations")
    files = held.cut(written.bits) if places else {}
    tasks = [
        (bucket, list(written.files.get(bucket, ())), list(files.get(bucket, ())))
        for bucket in sorted(written.files.keys() | files.keys())
    ]
    # tables without a row leave no file
    return merge_buckets(collect(engine, work, tasks or [(0, [], [])]), asked)


def _compare_task(
    folders: tuple[str, str], places: frozenset[Place], bits: int, asked: Asked, is_bag: bool, task: _Task
) -> list[pa.RecordBatch]:
    bucket, written, held = task
    storage, items = Storage.at(folders[0]), set(asked.items.tolist())
    blocks = [block for path in written for block in read_blocks(storage, path, items)]
    for block in blocks_of(folders[1], held, places) if held else ():
        is_here = block.rows[:, 0] >> np.uint64(64 - bits) == bucket
        blocks.append(block if is_here.all() else block._replace(rows=block.rows[is_here]))
    read = hash_rows(blocks)
    del blocks
    return [compare_bucket(read, asked, is_bag=is_bag)]


def compare_bucket(read: HashRows, asked: Asked, *, is_bag: bool) -> pa.RecordBatch:
    """Compares on one bucket's rows: a row for all pairs (`union` -1), then one per union."""
    pairs = asked.pairs
    counted = compare_pairs(read, (pairs.projection, pairs.child, pairs.parent), pairs.key, is_bag=is_bag)
    rows = ItemRows(read)
    sums = veiled(counted.sums.tobytes(), pairs.key)
    found = [(-1, read.n_rows, counted.numbers.tobytes(), b"", b"", sums)]
    for number, wanted in enumerate(asked.unions):
        union = compare_union(rows, wanted, pairs.key, is_bag=is_bag)
        signatures = union.signatures
        found.append(
            (
                number,
                union.n_child_rows,
                signatures.counts.tobytes(),
                signatures.bits.tobytes(),
                union.n_parent_distinct.tobytes(),
                veiled(union.sums.tobytes(), pairs.key),
            )
        )
    columns = [*zip(*found, strict=True), [peak_memory_bytes()] * len(found)]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, COUNTS_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=COUNTS_SCHEMA)


def merge_buckets(found: pa.Table, asked: Asked) -> Compared:
    """Adds up what the buckets gave."""
    key = asked.pairs.key
    parts: dict[int, list[UnionSums]] = {}
    pairs: list[PairSums] = []
    for row in found.to_pylist():
        if row["union"] < 0:
            pairs.append(pair_sums(row["counts"], row["hashes"], key))
        else:
            union = _union_sums(row, len(asked.unions[row["union"]].parents), key)
            parts.setdefault(row["union"], []).append(union)
    unions = tuple(UnionSums.merged(parts[number]).digested(key) for number in range(len(asked.unions)))
    peak = max(found["peak_bytes"].to_pylist(), default=0)
    return Compared(reduce(PairSums.__add__, pairs).digested(key), unions, peak)


def _union_sums(row: Mapping[str, bytes], n_parents: int, key: bytes) -> UnionSums:
    counts = np.frombuffer(row["counts"], np.int64)
    bits = np.frombuffer(row["bits"], np.uint8).reshape(len(counts), -(-n_parents // 8))
    return UnionSums(
        signatures=Signatures(bits, counts),
        n_child_rows=int(row["n"]),
        n_parent_distinct=np.frombuffer(row["parents"], np.int64),
        sums=np.frombuffer(unveiled(row["hashes"], key), np.uint64).reshape(2, 2),
    )

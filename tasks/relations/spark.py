"""The stage's jobs on Spark: a scan that samples, a scan of what samples proposed, one comparison.

The second scan is there because column maps are known only after the first; it reads the proposed tables only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

from lakebed.connectors.lake.read import Split
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.jobs import run_tasks
from lakebed.connectors.spark.session import shared_session
from lakebed.tasks.containment.hash_files import read_hash_rows
from lakebed.tasks.containment.kernel.proof import PairCounts, PairSums, compare_pairs
from lakebed.tasks.containment.search import TASKS_PER_CORE
from lakebed.tasks.containment.spark import DeltaSource, PairList, run_on_tables
from lakebed.tasks.encoding.sums import unveiled, veiled
from lakebed.tasks.inventory.splits import pack_splits
from lakebed.tasks.relations.kernel.cover import Signatures
from lakebed.tasks.relations.kernel.exact import ItemRows, UnionAsked, UnionCounts, compare_union
from lakebed.tasks.relations.plan import ItemPlan
from lakebed.tasks.relations.worker import hash_cells, hash_splits, sample_cells, sample_splits
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.progress import shown

Job = Literal["sample", "hash"]
WORK = {"sample": (sample_splits, sample_cells), "hash": (hash_splits, hash_cells)}
COUNTS_DDL = (
    "union int not null, n bigint not null, counts binary not null, bits binary not null, parents binary not null, "
    "hashes binary not null, peak_bytes bigint not null"
)


@dataclass(frozen=True)
class Asked:
    """What is compared: pairs of items, and unions."""

    pairs: PairList
    unions: tuple[UnionAsked, ...]

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


class Engine(Protocol):
    """Who runs the jobs: Spark, or for tests this process."""

    def scan(self, plan: ItemPlan, splits: Sequence[Split], sources: Sequence[DeltaSource], job: Job) -> pa.Table:
        """Runs one scan; rows of SCAN_SCHEMA."""

    def compare(self, out_uri: str, files: Mapping[int, Sequence[str]], asked: Asked, *, is_bag: bool) -> Compared:
        """Compares on the row-hash files of each bucket."""


class SparkEngine:
    """The jobs on the shared session, which is started when the first has work to do."""

    def __init__(self, config: SparkConfig, target_split_bytes: int) -> None:
        self._config, self._target = config, target_split_bytes

    def scan(self, plan: ItemPlan, splits: Sequence[Split], sources: Sequence[DeltaSource], job: Job) -> pa.Table:
        """One job over all splits, and over the tables that Spark itself must read."""
        session = shared_session(self._config).get()
        n_bytes = sum(split.n_bytes for split in splits)
        n_tasks = max(session.sparkContext.defaultParallelism * TASKS_PER_CORE, -(-n_bytes // self._target))
        return run_on_tables(session, plan, pack_splits(splits, n_tasks), sources, WORK[job])

    def compare(self, out_uri: str, files: Mapping[int, Sequence[str]], asked: Asked, *, is_bag: bool) -> Compared:
        """One job, a task per bucket."""
        session = shared_session(self._config).get()
        buckets = sorted(files)
        shared = (out_uri, [list(files[bucket]) for bucket in buckets], asked, is_bag)
        n_asked = len(asked.pairs.child) + len(asked.unions)
        with shown().step(f"Comparing {n_asked:,} relations", len(buckets)) as step:
            found = run_tasks(session, shared, len(buckets), _compare_task, COUNTS_DDL, step.advance)
        return merge_buckets(found, asked)


def _compare_task(shared: tuple[str, Sequence[Sequence[str]], Asked, bool], number: int) -> list[pa.RecordBatch]:
    out_uri, paths, asked, is_bag = shared
    return [compare_bucket(out_uri, paths[number], asked, is_bag=is_bag)]


def compare_bucket(out_uri: str, paths: Sequence[str], asked: Asked, *, is_bag: bool) -> pa.RecordBatch:
    """Compares on one bucket's files: a row for all pairs (`union` -1), then one per union."""
    read, pairs = read_hash_rows(out_uri, paths, asked.items), asked.pairs
    counted = compare_pairs(read, (pairs.projection, pairs.child, pairs.parent), pairs.key, is_bag=is_bag)
    rows = ItemRows(read)
    sums = veiled(counted.sums.tobytes(), pairs.key)
    found = [(-1, len(read.table), counted.numbers.tobytes(), b"", b"", sums)]
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
    kinds = (pa.int32(), pa.int64(), pa.binary(), pa.binary(), pa.binary(), pa.binary())
    arrays = [pa.array(values, kind) for values, kind in zip(zip(*found, strict=True), kinds, strict=True)]
    arrays.append(pa.array([peak_memory_bytes()] * len(found), pa.int64()))
    return pa.RecordBatch.from_arrays(arrays, names=["union", "n", "counts", "bits", "parents", "hashes", "peak_bytes"])


def merge_buckets(found: pa.Table, asked: Asked) -> Compared:
    """Adds up what the buckets gave."""
    key = asked.pairs.key
    parts: dict[int, list[UnionCounts]] = {}
    pairs: list[PairSums] = []
    for row in found.to_pylist():
        if row["union"] < 0:
            numbers = np.frombuffer(row["counts"], np.int64).reshape(5, -1)
            sums = np.frombuffer(unveiled(row["hashes"], key), np.uint64).reshape(2, numbers.shape[1], 2)
            pairs.append(PairSums(numbers, sums))
        else:
            union = _union_counts(row, len(asked.unions[row["union"]].parents), key)
            parts.setdefault(row["union"], []).append(union)
    unions = tuple(UnionCounts.merged(parts[number]) for number in range(len(asked.unions)))
    peak = max(found["peak_bytes"].to_pylist(), default=0)
    return Compared(reduce(PairSums.__add__, pairs).digested(key), unions, peak)


def _union_counts(row: Mapping[str, bytes], n_parents: int, key: bytes) -> UnionCounts:
    counts = np.frombuffer(row["counts"], np.int64)
    bits = np.frombuffer(row["bits"], np.uint8).reshape(len(counts), -(-n_parents // 8))
    return UnionCounts(
        signatures=Signatures(bits, counts),
        n_child_rows=int(row["n"]),
        n_parent_distinct=np.frombuffer(row["parents"], np.int64),
        sums=np.frombuffer(unveiled(row["hashes"], key), np.uint64).reshape(2, 2),
    )

"""The part of a scan that an earlier one has done already."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from lakebed.tasks.containment.carry import HashFolders, carry_hashes
from lakebed.tasks.containment.former import ROW_HASHES_FOLDER, FormerScan
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.reuse import Reuse, add_digests, plan_reuse, taken_samples
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlan
from lakebed.tasks.containment.spark import PairList
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.inventory.splits import InventoryTables
from lakebed.tasks.runtime.artifacts import ArtifactStore


@dataclass(frozen=True)
class Earlier:
    """An earlier scan of the same family, and the folder of the artifact that is being made, below the same root."""

    store: ArtifactStore
    scan: FormerScan
    folder: str


@dataclass(frozen=True)
class Taken:
    """What is left to read, and what is known without reading.

    Attributes:
        inventory: with those files only that have to be read.
        rows: of SCAN_SCHEMA, as the scan would have given them.
    """

    inventory: InventoryTables
    rows: pa.Table
    reuse: Reuse | None = None

    def is_read(self, table: int) -> bool:
        """Whether any of a table has to be read."""
        return self.reuse is None or table not in self.reuse.taken or table in self.reuse.grown

    def known_pairs(self, pairs: PairList) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], PairCounts]:
        """The place of each pair in the counts that follow; -1 where it must be compared."""
        if self.reuse is None:
            return np.full(len(pairs.child), -1, np.int64), PairCounts.none()
        places = self.reuse.known_pairs(pairs.projection, pairs.child, pairs.parent)
        return places, self.reuse.former.pairs.counts


def take(earlier: Earlier | None, inventory: InventoryTables, lake: LakeStatistics, plan: ScanPlan) -> Taken:
    """Takes from an earlier scan what still holds, row hashes included."""
    if earlier is None:
        return Taken(inventory, SCAN_SCHEMA.empty_table())
    reuse = plan_reuse(earlier.scan, inventory, lake, plan)
    rows = taken_samples(reuse, plan)
    add_digests(rows, reuse, plan, _constants(inventory.files, sorted(reuse.taken)))
    folders = HashFolders(earlier.store.storage, earlier.scan.hash_folder, f"{earlier.folder}/{ROW_HASHES_FOLDER}")
    bits = (earlier.scan.bucket_bits, plan.bucket_bits)
    for file in carry_hashes(folders, earlier.scan.hash_files, bits, reuse.hashes_to_take(plan)):
        rows.add("file", file.bucket, n=file.n_rows, n_bytes=file.n_bytes, text=file.path, data=file.multiset)
    left = replace(inventory, files=reuse.files_to_read(inventory.files, sorted(plan.tables)))
    return Taken(left, pa.Table.from_batches([rows.batch()]), reuse)


def _constants(files: pa.Table, table_ids: Sequence[int]) -> Mapping[str, frozenset[str]]:
    """Tokens of the partition columns, by path of the file."""
    wanted = files.filter(pa.compute.is_in(files["table_id"], value_set=pa.array(table_ids, pa.int32())))
    columns = (wanted[name].to_pylist() for name in ("path", "partition_values"))
    return {path: frozenset(json.loads(values)) for path, values in zip(*columns, strict=True) if values != "{}"}

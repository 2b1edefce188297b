"""The worker's side of the sampled mode: draws rows of children, then looks for them in parents."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.leaves import LeafArray
from lakebed.connectors.lake.read import ReadCounter, Split, read_split
from lakebed.tasks.containment.kernel.fingerprint import Cells, TableHasher
from lakebed.tasks.containment.scan import ScanPlan, ScanRows, new_hasher
from lakebed.tasks.encoding.postings import find_rows
from lakebed.tasks.runtime.memory import peak_memory_bytes

UInt64 = NDArray[np.uint64]


@dataclass(frozen=True)
class DrawnSplit:
    """A split of a child and the rows drawn of it: positions within the split, ascending."""

    split: Split
    positions: tuple[int, ...]


def draw_rows(plan: ScanPlan, draws: Sequence[DrawnSplit]) -> Iterator[pa.RecordBatch]:
    """Hashes the drawn rows; one row of kind `rows` a split and projection."""
    rows, counter = ScanRows(), ReadCounter()
    for draw in draws:
        hasher = new_hasher(plan, draw.split.table_id)
        try:
            for cells in _taken(plan, draw, hasher, counter):
                hasher.add(cells)
        except SourceBusyError:
            raise
        except SourceError as error:
            rows.add("error", draw.split.table_id, text=str(error.value or error.what))
            continue
        _add_samples(rows, draw.split.table_id, hasher)
    rows.add("task", -1, n=peak_memory_bytes(), n_bytes=counter.n_bytes)
    yield rows.batch()


def draw_cells(plan: ScanPlan, table_id: int, n_rows: int, cells: Iterator[Mapping[str, Cells]]) -> pa.RecordBatch:
    """The same for a table that Spark reads, whose rows have no stable order: the rows of least hash."""
    rows, hasher = ScanRows(), new_hasher(plan, table_id)
    for batch in cells:
        hasher.add(batch)
    if hasher.n_rows:
        _add_samples(rows, table_id, hasher, n_rows)
    rows.add("task", -1, n=peak_memory_bytes())
    return rows.batch()


def probe_splits(plan: ScanPlan, splits: Sequence[Split], wanted: Mapping[int, UInt64]) -> Iterator[pa.RecordBatch]:
    """Looks for the wanted row hashes of each projection in the parents; one row of kind `rows` where any is found."""
    rows, counter = ScanRows(), ReadCounter()
    for split in splits:
        root = plan.staged_root if split.format == "staged" else plan.lake_root
        tokens = new_hasher(plan, split.table_id).tokens
        try:
            for cells in read_split(root, split, tokens, counter, ignore_case=plan.ignore_case):
                _add_found(rows, plan, split.table_id, cells, wanted)
        except SourceBusyError:
            raise
        except SourceError as error:
            rows.add("error", split.table_id, text=str(error.value or error.what))
    rows.add("task", -1, n=peak_memory_bytes(), n_bytes=counter.n_bytes)
    yield rows.batch()


def probe_cells(
    plan: ScanPlan, table_id: int, cells: Iterator[Mapping[str, Cells]], wanted: Mapping[int, UInt64]
) -> pa.RecordBatch:
    """The same for a table that Spark reads."""
    rows = ScanRows()
    for batch in cells:
        _add_found(rows, plan, table_id, batch, wanted)
    rows.add("task", -1, n=peak_memory_bytes())
    return rows.batch()


def _taken(
    plan: ScanPlan, draw: DrawnSplit, hasher: TableHasher, counter: ReadCounter
) -> Iterator[Mapping[str, LeafArray]]:
    """The drawn rows of each batch."""
    root = plan.staged_root if draw.split.format == "staged" else plan.lake_root
    positions = np.array(draw.positions, np.int64)
    start = 0
    for cells in read_split(root, draw.split, hasher.tokens, counter, ignore_case=plan.ignore_case):
        n_rows = len(next(iter(cells.values())).values)
        mine = positions[(positions >= start) & (positions < start + n_rows)] - start
        start += n_rows
        if len(mine):
            yield {token: _take(leaf, mine) for token, leaf in cells.items()}


def _take(leaf: LeafArray, rows: NDArray[np.int64]) -> LeafArray:
    depth = None if leaf.null_depth is None else leaf.null_depth[rows]
    return replace(leaf, values=leaf.values.take(pa.array(rows)), null_depth=depth)


def _add_samples(rows: ScanRows, table_id: int, hasher: TableHasher, n_rows: int | None = None) -> None:
    for number, fingerprint in hasher.fingerprints().items():
        rows.add("rows", table_id, number, n=hasher.n_rows, data=fingerprint.hashes[:n_rows].tobytes())


def _add_found(
    rows: ScanRows, plan: ScanPlan, table_id: int, cells: Mapping[str, Cells], wanted: Mapping[int, UInt64]
) -> None:
    hasher = new_hasher(plan, table_id)
    hasher.add(cells)
    for number, fingerprint in hasher.fingerprints().items():
        found = wanted[number][find_rows(wanted[number], fingerprint.hashes) >= 0]
        if len(found):
            rows.add("rows", table_id, number, n=len(found), data=found.tobytes())

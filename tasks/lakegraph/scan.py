"""The worker's side of the scan: reads splits once, returns samples of values or parts of an edge table.

Runs in the workers of an engine, of Spark or of this machine, and needs none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.read import read_split
from lakebed.tasks.containment.jobs import CellWork, SplitWork
from lakebed.tasks.containment.kernel.fingerprint import Cells
from lakebed.tasks.containment.scan import ScanPlan, ScanRows
from lakebed.tasks.encoding.cells import value_is_null
from lakebed.tasks.encoding.segments import Place, Segments, SmallColumns
from lakebed.tasks.encoding.sip_hashes import value_hashes
from lakebed.tasks.lakegraph.kernel.edge_list import EdgeList
from lakebed.tasks.lakegraph.kernel.parts import ColumnSamples
from lakebed.tasks.lakegraph.kernel.samples import (
    VALUE_KEY,
    FloatRule,
    ValueSample,
    sample_values,
)
from lakebed.tasks.lakegraph.kernel.small_columns import sample_segments
from lakebed.tasks.runtime.memory import peak_memory_bytes

_UNCUT = 1 << 62


@dataclass(frozen=True)
class SampleTask:
    """What is kept of a column: at most `n_kept` values; what its floats become."""

    n_kept: int
    rule: FloatRule

    def works(self) -> tuple[SplitWork, CellWork]:
        """The worker functions."""
        return partial(_sample_splits, self), partial(_sample_cells, self)


@dataclass(frozen=True)
class EdgeTask:
    """The tokens of an edge table's columns; `weight` empty where all weigh 1."""

    source: str
    target: str
    weight: str = ""

    def works(self) -> tuple[SplitWork, CellWork]:
        """The worker functions."""
        return partial(_edge_splits, self), partial(_edge_cells, self)


@dataclass
class _Samples:
    """Samples of columns, as they are and folded. Small columns wait for others, of the same table or of later ones.

    Attributes:
        small: columns that wait.
    """

    task: SampleTask
    small: SmallColumns = field(default_factory=SmallColumns)

    def __post_init__(self) -> None:
        self.large: ColumnSamples[Place] = ColumnSamples(self.task.n_kept, self.task.rule)

    def begin(self) -> None:
        """Before each split: what was not written is of a table that cannot be read."""
        for _ in self.large.take():
            pass

    def add(self, table_id: int, batch: Mapping[str, Cells]) -> None:
        for token, cells in batch.items():
            (self.small if SmallColumns.takes(cells.values) else self.large).add((table_id, token), cells.values)

    def write(self, table_id: int, rows: ScanRows) -> None:
        for (_, token), sample, folded in self.large.take():
            rows.add("sample", table_id, token=token, n=len(sample.hashes), data=sample.to_bytes())
            rows.add("folded", table_id, token=token, data=folded.to_bytes())
        self._write_small(self.small.full(), rows)

    def end(self, rows: ScanRows) -> None:
        """After the last split."""
        self._write_small(self.small.rest(), rows)

    def _write_small(self, held: Iterable[Segments], rows: ScanRows) -> None:
        for segments in held:
            for (table_id, token), sample, folded in sample_segments(segments, self.task.n_kept, self.task.rule):
                rows.add("sample", table_id, token=token, data=sample)
                rows.add("folded", table_id, token=token, data=folded)


@dataclass
class _Edges:
    """Parts of an edge table, one per batch."""

    task: EdgeTask
    parts: list[EdgeList] = field(default_factory=list)

    def begin(self) -> None:
        """Before each split."""
        self.parts = []

    def add(self, table_id: int, batch: Mapping[str, Cells]) -> None:
        self.parts.append(edges_of(self.task, batch))

    def write(self, table_id: int, rows: ScanRows) -> None:
        for part in self.parts:
            rows.add("edges", table_id, n=part.n_rows, data=edge_bytes(part))

    def end(self, rows: ScanRows) -> None:
        """After the last split: nothing waits."""


def tokens_of(plan: ScanPlan, table_id: int) -> list[str]:
    """The columns wanted of a table."""
    return [token for number in plan.tables[table_id].projections for token in plan.projections[number][1]]


def edges_of(task: EdgeTask, batch: Mapping[str, Cells]) -> EdgeList:
    """The rows of a batch in which both keys are there."""
    source, target = batch[task.source].values, batch[task.target].values
    is_there = ~(value_is_null(source) | value_is_null(target))
    if task.weight:
        is_there &= ~value_is_null(batch[task.weight].values)
    mask = pa.array(is_there)
    source, target = source.filter(mask), target.filter(mask)
    weight = np.ones(int(is_there.sum()))
    if task.weight:
        weight = _numbers(batch[task.weight].values.filter(mask), task.weight)
    return EdgeList(
        source=value_hashes(source, None, VALUE_KEY),
        target=value_hashes(target, None, VALUE_KEY),
        weight=weight,
        source_keys=sample_values(source, _UNCUT, FloatRule("exact")),
        target_keys=sample_values(target, _UNCUT, FloatRule("exact")),
        n_rows=len(is_there),
    )


def edge_bytes(part: EdgeList) -> bytes:
    """The part as bytes."""
    keys = (part.source_keys.to_bytes(), part.target_keys.to_bytes())
    head = np.array([len(part.source), part.n_rows, len(keys[0])], np.int64)
    return b"".join([head.tobytes(), part.source.tobytes(), part.target.tobytes(), part.weight.tobytes(), *keys])


def edge_part(data: bytes) -> EdgeList:
    """The part that `edge_bytes` wrote."""
    n, n_rows, n_key_bytes = np.frombuffer(data, np.int64, 3).tolist()
    ends = np.frombuffer(data, np.uint64, 2 * n, 24)
    keys_at = 24 + 24 * n
    return EdgeList(
        source=ends[:n],
        target=ends[n:],
        weight=np.frombuffer(data, np.float64, n, 24 + 16 * n),
        source_keys=ValueSample.from_bytes(data[keys_at : keys_at + n_key_bytes]),
        target_keys=ValueSample.from_bytes(data[keys_at + n_key_bytes :]),
        n_rows=n_rows,
    )


def _numbers(values: pa.Array, token: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    try:
        return np.asarray(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowException as error:
        raise SourceError(
            "the weights of the edge table are not numbers",
            value=f"{token}: {values.type}",
            expected="a column of numbers",
            hint="name another column with `lakegraph.edge_table.weight`, or none",
        ) from error


def _sample_splits(task: SampleTask, plan: ScanPlan, splits: Sequence[Split]) -> Iterator[pa.RecordBatch]:
    yield from _scan(plan, splits, _Samples(task))


def _sample_cells(
    task: SampleTask, plan: ScanPlan, table_id: int, cells: Iterator[Mapping[str, Cells]]
) -> pa.RecordBatch:
    return _scan_cells(table_id, cells, _Samples(task))


def _edge_splits(task: EdgeTask, plan: ScanPlan, splits: Sequence[Split]) -> Iterator[pa.RecordBatch]:
    yield from _scan(plan, splits, _Edges(task))


def _edge_cells(task: EdgeTask, plan: ScanPlan, table_id: int, cells: Iterator[Mapping[str, Cells]]) -> pa.RecordBatch:
    return _scan_cells(table_id, cells, _Edges(task))


def _scan(plan: ScanPlan, splits: Sequence[Split], gathered: _Samples | _Edges) -> Iterator[pa.RecordBatch]:
    """Scans the splits of one task: rows of kind `sample` or `edges`, `error`, and `task` (bytes read, peak memory)."""
    counter, rows = ReadCounter(), ScanRows()
    for split in splits:
        root = plan.staged_root if split.format == "staged" else plan.lake_root
        gathered.begin()
        try:
            for cells in read_split(
                root, split, tokens_of(plan, split.table_id), counter, ignore_case=plan.ignore_case
            ):
                gathered.add(split.table_id, cells)
        except SourceBusyError:
            raise
        except SourceError as error:
            rows.add("error", split.table_id, text=str(error.value or error.what))
            continue
        gathered.write(split.table_id, rows)
        if rows.is_full:
            yield rows.batch()
    gathered.end(rows)
    rows.add("task", -1, n=peak_memory_bytes(), n_bytes=counter.n_bytes)
    yield rows.batch()


def _scan_cells(table_id: int, cells: Iterator[Mapping[str, Cells]], gathered: _Samples | _Edges) -> pa.RecordBatch:
    """The same for one table whose cells come from Spark's own reader."""
    rows, n_bytes = ScanRows(), 0
    for batch in cells:
        gathered.add(table_id, batch)
        n_bytes += sum(leaf.values.nbytes for leaf in batch.values())
    gathered.write(table_id, rows)
    gathered.end(rows)
    rows.add("task", -1, n=peak_memory_bytes(), n_bytes=n_bytes)
    return rows.batch()

"""The worker's side: samples items of splits, or writes their row hashes; rows of SCAN_SCHEMA come back.

Runs in the workers of an engine, of Spark or of this machine, and needs none. What is computed of a split depends
neither on the task it is in nor on the order of splits.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.read import read_split
from lakebed.tasks.containment.hash_files import HashFiles
from lakebed.tasks.containment.kernel.fingerprint import Cells
from lakebed.tasks.containment.scan import ScanPlan, ScanRows, add_files
from lakebed.tasks.encoding.cells import value_is_null
from lakebed.tasks.encoding.hashes import (
    SAMPLE_KEY,
    Sums,
    add_cells,
    add_column,
    finish,
    sampled_values,
    start_sums,
    value_hashes,
)
from lakebed.tasks.encoding.multiset import distinct_counts
from lakebed.tasks.encoding.segments import Segments, SmallColumns, starts_of
from lakebed.tasks.relations.kernel.value_samples import add_hashes, sample_segments
from lakebed.tasks.relations.plan import ItemPlan, Wanted
from lakebed.tasks.runtime.memory import peak_memory_bytes

UInt64 = NDArray[np.uint64]
Int64 = NDArray[np.int64]
_Key = tuple[int, tuple[str, ...]]
# from here on few enough cells are sampled that those left out are worth a look of their own
_THIN_LEVEL = 2


def sample_splits(plan: ScanPlan, splits: Sequence[Split]) -> Iterator[pa.RecordBatch]:
    """Samples the rows of the items and the values of the columns in the splits of one task.

    Yields rows of kind `rows` (`table_id` the item, `n` its rows here, `data` the high words kept), `values` (`n`
    nulls, `n_bytes` the level), `error` and `task`.
    """
    rows, counter, small = ScanRows(), ReadCounter(), SmallColumns()
    for split, sampler in _read(plan, splits, rows, counter, small):
        _add_samples(rows, split.table_id, sampler)
        _add_values(rows, small.full())
        if rows.is_full:
            yield rows.batch()
    _add_values(rows, small.rest())
    rows.add("task", -1, n=peak_memory_bytes(), n_bytes=counter.n_bytes)
    yield rows.batch()


def sample_cells(plan: ScanPlan, table_id: int, cells: Iterator[Mapping[str, Cells]]) -> pa.RecordBatch:
    """The same for a table whose cells come from Spark's own reader."""
    rows, small = ScanRows(), SmallColumns()
    sampler = ItemSampler(_items(plan), table_id, None, small)
    n_bytes = _feed(sampler, cells)
    _add_samples(rows, table_id, sampler)
    _add_values(rows, small.rest())
    rows.add("task", -1, n=peak_memory_bytes(), n_bytes=n_bytes)
    return rows.batch()


def hash_splits(plan: ScanPlan, splits: Sequence[Split]) -> Iterator[pa.RecordBatch]:
    """Writes every row hash of the items in the splits of one task; rows of kind `file`, `error` and `task`."""
    rows, counter = ScanRows(), ReadCounter()
    hashes = HashFiles(plan.out_uri, plan.bucket_bits)
    for _, sampler in _read(plan, splits, rows, counter, SmallColumns()):
        _write(hashes, _items(plan), sampler)
    add_files(rows, hashes)
    rows.add("task", -1, n=peak_memory_bytes(), n_bytes=counter.n_bytes)
    yield rows.batch()


def hash_cells(plan: ScanPlan, table_id: int, cells: Iterator[Mapping[str, Cells]]) -> pa.RecordBatch:
    """The same for a table whose cells come from Spark, which decides where it is cut."""
    rows, hashes = ScanRows(), HashFiles(plan.out_uri, plan.bucket_bits)
    sampler = ItemSampler(_items(plan), table_id, None, SmallColumns())
    n_bytes = _feed(sampler, cells)
    _write(hashes, _items(plan), sampler)
    add_files(rows, hashes)
    rows.add("task", -1, n=peak_memory_bytes(), n_bytes=n_bytes)
    return rows.batch()


class ItemSampler:
    """Row hashes and value samples of the items of one split, from one pass over its batches.

    Attributes:
        wanted: the items that the split belongs to.
        n_rows: seen.
        values: sample of each column but those that wait among the small ones.
    """

    def __init__(self, plan: ItemPlan, table_id: int, path: str | None, small: SmallColumns) -> None:
        self._table_id, self._small = table_id, small
        everything = plan.wanted.get(table_id, ())
        self.wanted = [w for w in everything if path is None or w.paths is None or path in w.paths]
        self.n_rows = 0
        self.values: dict[str, ValueSample] = {}
        self._settings, self._labels = plan.settings, plan.labels
        self._has_values = plan.has_values
        self._levels: dict[_Key, int] = {}
        for w in self.wanted:
            key = (w.projection, w.tokens)
            self._levels[key] = min(w.level, self._levels.get(key, w.level))
        self._rows: dict[_Key, list[UInt64]] = {key: [] for key in self._levels}
        self._n_uses = Counter(place for key in self._levels for place in self._places(key))
        self._sums = start_sums(0)
        whole = plan.projections[table_id][1] if plan.has_values else ()
        self.tokens = list(dict.fromkeys([*whole, *(token for w in self.wanted for token in w.tokens)]))

    def add(self, batch: Mapping[str, Cells]) -> None:
        """Hashes one batch, each column once for each name that it goes by."""
        self.n_rows += len(next(iter(batch.values())).values)
        hashed: dict[tuple[str, str], Sums] = {}
        for key, level in self._levels.items():
            self._rows[key].append(_below(self._row_hashes(batch, key, hashed), level))
        if self._has_values:
            for token, cells in batch.items():
                if SmallColumns.takes(cells.values):
                    self._small.add((self._table_id, token), cells.values)
                else:
                    self.values.setdefault(token, ValueSample()).add(cells)

    def samples(self) -> Iterator[tuple[Wanted, UInt64]]:
        """The high words of the distinct rows of each item at its level, (k,) ascending."""
        distinct = {key: distinct_counts(_stacked(parts))[0] for key, parts in self._rows.items()}
        for w in self.wanted:
            yield w, np.ascontiguousarray(_below(distinct[w.projection, w.tokens], w.level)[:, 0])

    def all_rows(self) -> Iterator[tuple[Wanted, UInt64]]:
        """The rows of each item as they came, (n, 2), where none are left out."""
        stacked = {key: _stacked(parts) for key, parts in self._rows.items()}
        for w in self.wanted:
            yield w, stacked[w.projection, w.tokens]

    def _row_hashes(self, batch: Mapping[str, Cells], key: _Key, hashed: dict[tuple[str, str], Sums]) -> UInt64:
        sums = self._started(len(next(iter(batch.values())).values))
        for place in self._places(key):
            token, label = place
            if self._n_uses[place] == 1:
                self._add_cells(sums, batch[token], label)
                continue
            if place not in hashed:
                hashed[place] = start_sums(sums.shape[1])
                self._add_cells(hashed[place], batch[token], label)
            add_column(sums, hashed[place])
        return finish(sums, self._settings.key)

    def _places(self, key: _Key) -> Iterator[tuple[str, str]]:
        """Each column's token, and the one under which its cells are hashed."""
        return zip(key[1], self._labels[key[0]][1], strict=True)

    def _add_cells(self, sums: Sums, cells: Cells, label: str) -> None:
        key, is_strict = self._settings.key, self._settings.is_strict
        add_cells(sums, cells.values, cells.null_depth, label, key, strict_types=is_strict)

    def _started(self, n_rows: int) -> Sums:
        """Sums of a batch, in memory that was used before: fresh pages cost more than to clear these."""
        if self._sums.shape[1] == n_rows:
            self._sums.fill(0)
        else:
            self._sums = start_sums(n_rows)
        return self._sums


class ValueSample:
    """Hashes of a column's distinct values below 2^(64 - level), at the lowest level at which at most 256 are kept."""

    def __init__(self) -> None:
        self.hashes: UInt64 = np.empty(0, np.uint64)
        self.level = 0
        self.n_nulls = 0

    def add(self, cells: Cells) -> None:
        """Takes in a batch of cells."""
        is_null = value_is_null(cells.values)
        self.n_nulls += int(is_null.sum())
        if self.level >= _THIN_LEVEL:
            self.merge(sampled_values(cells.values, self.level, SAMPLE_KEY), self.level)
            return
        hashes = value_hashes(cells.values, None, SAMPLE_KEY)
        self.merge(hashes[~is_null] if is_null.any() else hashes, 0)

    def merge(self, hashes: UInt64, level: int) -> None:
        """Takes in hashes of another sample."""
        self.level = max(self.level, level)
        self.hashes, self.level = add_hashes(_below_word(self.hashes, self.level), self.level, hashes)


def _items(plan: ScanPlan) -> ItemPlan:
    if not isinstance(plan, ItemPlan):
        raise TypeError(f"the workers of this stage take an ItemPlan, not a {type(plan).__name__}")
    return plan


def _read(
    plan: ScanPlan, splits: Sequence[Split], rows: ScanRows, counter: ReadCounter, small: SmallColumns
) -> Iterator[tuple[Split, ItemSampler]]:
    """Each split with what was seen of it; one that cannot be read becomes a row of kind `error`."""
    for split in splits:
        sampler = ItemSampler(_items(plan), split.table_id, split.path, small)
        root = plan.staged_root if split.format == "staged" else plan.lake_root
        try:
            if sampler.tokens:
                for batch in read_split(root, split, sampler.tokens, counter, ignore_case=plan.ignore_case):
                    sampler.add(batch)
        except SourceBusyError:
            raise
        except SourceError as error:
            rows.add("error", split.table_id, text=str(error.value or error.what))
            continue
        yield split, sampler


def _feed(sampler: ItemSampler, cells: Iterator[Mapping[str, Cells]]) -> int:
    """Adds every batch; bytes of the cells."""
    n_bytes = 0
    for batch in cells:
        sampler.add(batch)
        n_bytes += sum(leaf.values.nbytes for leaf in batch.values())
    return n_bytes


def _add_samples(rows: ScanRows, table_id: int, sampler: ItemSampler) -> None:
    if not sampler.n_rows:
        return
    for w, high in sampler.samples():
        rows.add("rows", w.item, w.projection, n=sampler.n_rows, data=high.tobytes())
    for token, sample in sampler.values.items():
        rows.add("values", table_id, token=token, n=sample.n_nulls, n_bytes=sample.level, data=sample.hashes.tobytes())


def _add_values(rows: ScanRows, held: Iterable[Segments]) -> None:
    """The samples of small columns, as `ValueSample` makes them."""
    for segments in held:
        n = len(segments.places)
        values, owner = segments.without_nulls()
        n_nulls = np.diff(segments.starts) - np.bincount(owner, minlength=n)
        hashes, ends, levels = sample_segments(value_hashes(values, None, SAMPLE_KEY), starts_of(owner, n))
        parts = pairwise((hashes.itemsize * ends).tolist())
        told = zip(segments.places, n_nulls.tolist(), levels.tolist(), parts, strict=True)
        data = hashes.tobytes()
        for (table_id, token), nulls, level, (start, end) in told:
            rows.add("values", table_id, token=token, n=nulls, n_bytes=level, data=data[start:end])


def _write(hashes: HashFiles, plan: ItemPlan, sampler: ItemSampler) -> None:
    if not sampler.n_rows:
        return
    for w, found in sampler.all_rows():
        hashes.add(plan.labels[w.projection][0], w.item, found)


def _below(hashes: UInt64, level: int) -> UInt64:
    return hashes if level == 0 else hashes[hashes[:, 0] >> np.uint64(64 - level) == 0]


def _below_word(hashes: UInt64, level: int) -> UInt64:
    return hashes if level == 0 else hashes[hashes >> np.uint64(64 - level) == 0]


def _stacked(parts: Sequence[UInt64]) -> UInt64:
    return np.concatenate([np.empty((0, 2), np.uint64), *parts])

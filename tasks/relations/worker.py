"""The worker's side: samples items of splits, or writes their row hashes; rows of SCAN_SCHEMA come back.

Runs in the workers of an engine, of Spark or of this machine, and needs none. What is computed of a split depends
neither on the task it is in nor on the order of splits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

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
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.encoding.hashes import (
    SAMPLE_KEY,
    add_column,
    column_sums,
    finish,
    sampled_values,
    start_sums,
    value_hashes,
)
from lakebed.tasks.encoding.multiset import distinct_counts
from lakebed.tasks.encoding.segments import Segments, SmallColumns, first_of_each, starts_of
from lakebed.tasks.relations.kernel.columns import MAX_VALUES
from lakebed.tasks.relations.plan import ItemPlan, Wanted
from lakebed.tasks.runtime.memory import peak_memory_bytes

UInt64 = NDArray[np.uint64]
Int64 = NDArray[np.int64]
_Key = tuple[int, tuple[str, ...]]


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
        whole = plan.projections[table_id][1] if plan.has_values else ()
        self.tokens = list(dict.fromkeys([*whole, *(token for w in self.wanted for token in w.tokens)]))

    def add(self, batch: Mapping[str, Cells]) -> None:
        """Hashes one batch, each column once for each name that it goes by."""
        self.n_rows += len(next(iter(batch.values())).values)
        hashed: dict[tuple[str, str], UInt64] = {}
        for key, level in self._levels.items():
            self._rows[key].append(_below(self._row_hashes(batch, key, hashed), level))
        if self._has_values:
            for token, cells in batch.items():
                if SmallColumns.takes(cells.values):
                    self._small.add((self._table_id, token), cells.values)
                else:
                    self.values.setdefault(token, ValueSample()).add(cells)

    def rows(self) -> Iterator[tuple[Wanted, UInt64, Int64]]:
        """The distinct rows of each item at its level, (k, 2) ascending, and how often each occurs."""
        distinct = {
            key: distinct_counts(np.concatenate([np.empty((0, 2), np.uint64), *parts]))
            for key, parts in self._rows.items()
        }
        for w in self.wanted:
            hashes, counts = distinct[w.projection, w.tokens]
            n_kept = len(_below(hashes, w.level))
            yield w, hashes[:n_kept], counts[:n_kept]

    def _row_hashes(self, batch: Mapping[str, Cells], key: _Key, hashed: dict[tuple[str, str], UInt64]) -> UInt64:
        sums = start_sums(len(next(iter(batch.values())).values))
        for token, label in zip(key[1], self._labels[key[0]][1], strict=True):
            if (token, label) not in hashed:
                hashed[token, label] = column_sums(
                    batch[token].values,
                    batch[token].null_depth,
                    label,
                    self._settings.key,
                    strict_types=self._settings.is_strict,
                )
            add_column(sums, hashed[token, label])
        return finish(sums, self._settings.key)


class ValueSample:
    """Hashes of a column's distinct values below 2^(64 - level), at the lowest level at which at most 256 are kept."""

    def __init__(self) -> None:
        self.hashes: UInt64 = np.empty(0, np.uint64)
        self.level = 0
        self.n_nulls = 0

    def add(self, cells: Cells) -> None:
        """Takes in a batch of cells."""
        n_nulls = int(value_is_null(cells.values).sum())
        self.n_nulls += n_nulls
        guess = max(self.level, ((len(cells.values) - n_nulls) // (4 * MAX_VALUES)).bit_length() - 1)
        thin = sampled_values(cells.values, guess, SAMPLE_KEY)
        # where a thin sample is too large already, no finer one can be wanted
        if len(thin) > MAX_VALUES or guess == self.level:
            self.merge(thin, guess)
        else:
            self.merge(sampled_values(cells.values, self.level, SAMPLE_KEY), self.level)

    def merge(self, hashes: UInt64, level: int) -> None:
        """Takes in distinct hashes of another sample."""
        self.level = max(self.level, level)
        mine, others = _below_word(self.hashes, self.level), _below_word(hashes, self.level)
        self.hashes = distinct(np.concatenate([mine, others])) if len(mine) else np.sort(others)
        while len(self.hashes) > MAX_VALUES:
            self.level += 1
            self.hashes = _below_word(self.hashes, self.level)


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
                _feed(sampler, read_split(root, split, sampler.tokens, counter, ignore_case=plan.ignore_case))
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
    for w, hashes, _ in sampler.rows():
        high = np.ascontiguousarray(hashes[:, 0])
        rows.add("rows", w.item, w.projection, n=sampler.n_rows, data=high.tobytes())
    for token, sample in sampler.values.items():
        rows.add("values", table_id, token=token, n=sample.n_nulls, n_bytes=sample.level, data=sample.hashes.tobytes())


def _add_values(rows: ScanRows, held: Iterable[Segments]) -> None:
    """The samples of small columns, as `ValueSample` makes them."""
    for segments in held:
        n = len(segments.places)
        values, owner = segments.without_nulls()
        n_nulls = np.diff(segments.starts) - np.bincount(owner, minlength=n)
        hashes = value_hashes(values, None, SAMPLE_KEY)
        order = first_of_each(owner, hashes)
        hashes, starts = hashes[order], starts_of(owner[order], n)
        for number, (table_id, token) in enumerate(segments.places):
            sample = ValueSample()
            sample.merge(hashes[starts[number] : starts[number + 1]], 0)
            nulls, data = int(n_nulls[number]), sample.hashes.tobytes()
            rows.add("values", table_id, token=token, n=nulls, n_bytes=sample.level, data=data)


def _write(hashes: HashFiles, plan: ItemPlan, sampler: ItemSampler) -> None:
    if not sampler.n_rows:
        return
    for w, found, counts in sampler.rows():
        hashes.add(plan.labels[w.projection][0], w.item, np.repeat(found, counts, axis=0))


def _below(hashes: UInt64, level: int) -> UInt64:
    return hashes if level == 0 else hashes[hashes[:, 0] >> np.uint64(64 - level) == 0]


def _below_word(hashes: UInt64, level: int) -> UInt64:
    return hashes if level == 0 else hashes[hashes >> np.uint64(64 - level) == 0]

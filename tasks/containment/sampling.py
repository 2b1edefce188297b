"""The published, sampled content step (CLP of R2D2, Shah et al. 2024), in two jobs for the whole lake.

Of each child `n_rows` rows are drawn; a pair goes on where the parent has them all, on all of the child's columns
or on `n_columns` drawn ones. An edge of which the fraction c of rows is contained survives with probability c^n_rows,
so this certifies nothing. It loses no true edge: the comparison is null-safe.

Note: departs from the paper in that all children are drawn, and all parents probed, at once, not edge by edge.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.connectors.errors import SourceBusyError, SourceError, StageError
from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.leaves import LeafArray
from lakebed.connectors.lake.read import read_split
from lakebed.tasks.containment.config import ContainmentConfig, SampledConfig
from lakebed.tasks.containment.jobs import CellWork, SplitWork, plan_sources, run_on_tables
from lakebed.tasks.containment.kernel.fingerprint import Cells, HashSettings, TableHasher
from lakebed.tasks.containment.kernel.schema_graph import Int32
from lakebed.tasks.containment.kernel.sketches import RowSketches, SketchedPairs, compare_entries
from lakebed.tasks.containment.samples import distinct_rows
from lakebed.tasks.containment.scan import ScanPlan, ScanRows, TableScan, new_hasher, projection_of, sample_of
from lakebed.tasks.containment.statistics import LakeView
from lakebed.tasks.encoding.postings import find_rows
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.choice import engine_for_tables
from lakebed.tasks.scan.splits import pack_splits, plan_splits

UInt64 = NDArray[np.uint64]


@dataclass(frozen=True)
class DrawnSplit:
    """A split of a child and the rows drawn of it: positions within the split, ascending."""

    split: Split
    positions: tuple[int, ...]


@dataclass(frozen=True)
class SampledPairs:
    """The pairs with their samples' verdicts, and what finding them cost."""

    pairs: SketchedPairs
    errors: dict[int, str]
    bytes_read: int
    peak_worker_bytes: int


def sample_content(view: LakeView, config: ContainmentConfig, workspace: Workspace, staged_root: str) -> SampledPairs:
    """Draws rows of every child and looks for them in its parents.

    Raises:
        StageError: if min-max leaves more pairs than `max_listed_pairs`.
    """
    survey = view.survey
    if not survey.is_listed:
        raise StageError(
            "the sampled mode compares pair by pair, and too many are left after min-max",
            value=f"{survey.n_pairs:,} pairs",
            expected=f"at most containment.max_listed_pairs, {config.max_listed_pairs:,}",
            hint="use mode exact, whose cost does not grow with pairs, or raise the limit",
        )
    if not survey.n_pairs:
        return SampledPairs(SketchedPairs.none(), {}, 0, 0)
    job = _Job(view, config, workspace, staged_root)
    drawn = job.draw()
    found = job.probe(drawn.samples)
    pairs = _judged(view, job.numbers, drawn.samples, found.samples)
    errors = drawn.errors | found.errors
    # (2, k) → (k,): pairs of which neither table failed
    is_whole = ~np.isin(np.stack([pairs.child, pairs.parent]), list(errors)).any(axis=0)
    return SampledPairs(
        pairs=pairs.take(np.flatnonzero(is_whole)),
        errors=errors,
        bytes_read=drawn.bytes_read + found.bytes_read,
        peak_worker_bytes=max(drawn.peak_worker_bytes, found.peak_worker_bytes),
    )


@dataclass(frozen=True)
class _Answer:
    """Row hashes by (projection, table), and what they cost."""

    samples: dict[tuple[int, int], UInt64]
    errors: dict[int, str]
    bytes_read: int
    peak_worker_bytes: int


class _Job:
    """The two jobs; `numbers` is the projection under which each child is compared, (n_tables,)."""

    def __init__(self, view: LakeView, config: ContainmentConfig, workspace: Workspace, staged_root: str) -> None:
        self._view, self._config, self._workspace = view, config, workspace
        self._staged_root = staged_root
        self._children = np.unique(view.survey.children).tolist()
        n_tables = len(view.lake.names)
        by_schema = config.sampled.reading == "rows"
        self.numbers = view.lake.groups.schema_of_table if by_schema else np.arange(n_tables, dtype=np.int32)
        self._projections = {
            int(self.numbers[child]): projection_of(self._tokens(child, config.sampled)) for child in self._children
        }

    def draw(self) -> _Answer:
        """Row hashes of the drawn rows of every child."""
        plan = self._plan({child: [int(self.numbers[child])] for child in self._children})
        splits = plan_splits(self._view.tables, self._children, self._config.target_split_bytes)
        draws = {split.split_id: draw for split, draw in _draws(splits, self._view, self._config.sampled)}
        n_rows = self._config.sampled.n_rows
        positions = {split_id: draw.positions for split_id, draw in draws.items()}
        work = (partial(_draw_splits, positions), partial(draw_cells, n_rows=n_rows))
        answer = self._run(plan, [split for split in splits if split.split_id in draws], work)
        samples = {key: hashes[:n_rows] for key, hashes in answer.samples.items()}
        return _Answer(samples, answer.errors, answer.bytes_read, answer.peak_worker_bytes)

    def probe(self, samples: Mapping[tuple[int, int], UInt64]) -> _Answer:
        """Those of the drawn rows that each parent has."""
        roles: dict[int, set[int]] = {}
        for child, parent in zip(self._view.survey.children, self._view.survey.parents, strict=True):
            roles.setdefault(int(parent), set()).add(int(self.numbers[child]))
        plan = self._plan({parent: sorted(numbers) for parent, numbers in roles.items()})
        wanted: dict[int, UInt64] = {}
        for number in self._projections:
            parts = [hashes for (projection, _), hashes in samples.items() if projection == number]
            wanted[number] = distinct_rows([part.tobytes() for part in parts])
        splits = plan_splits(self._view.tables, sorted(roles), self._config.target_split_bytes)
        return self._run(plan, splits, (partial(probe_splits, wanted=wanted), partial(probe_cells, wanted=wanted)))

    def _tokens(self, child: int, sampled: SampledConfig) -> list[str]:
        tokens = self._view.lake.projection_tokens(int(self._view.lake.groups.schema_of_table[child]))
        if sampled.reading == "rows" or len(tokens) <= sampled.n_columns:
            return tokens
        drawn = _random(sampled.seed, "columns", self._view.lake.names[child])
        return [tokens[place] for place in sorted(drawn.choice(len(tokens), sampled.n_columns, replace=False))]

    def _plan(self, roles: Mapping[int, Sequence[int]]) -> ScanPlan:
        return ScanPlan(
            lake_root=self._workspace.lake.root,
            staged_root=self._staged_root,
            out_uri="",
            projections=self._projections,
            tables={table: TableScan(tuple(numbers), 0, 0, has_values=False) for table, numbers in roles.items()},
            settings=HashSettings(self._config.key_at(self._workspace.artifacts), self._config.strict_types),
            bucket_bits=1,
            ignore_case=self._workspace.lake.ignore_column_case,
        )

    def _run(self, plan: ScanPlan, splits: Sequence[Split], work: tuple[SplitWork, CellWork]) -> _Answer:
        engine = engine_for_tables(self._workspace, self._view.tables)
        tasks = pack_splits(splits, engine.n_workers)
        return _answer(run_on_tables(engine, plan, tasks, plan_sources(self._view.tables, plan), work))


def _draws(splits: Sequence[Split], view: LakeView, sampled: SampledConfig) -> Iterator[tuple[Split, DrawnSplit]]:
    """The splits that hold drawn rows. Splits are in row order, so positions in the table are positions in them."""
    by_table: dict[int, list[Split]] = {}
    for split in splits:
        by_table.setdefault(split.table_id, []).append(split)
    for table, mine in by_table.items():
        # (splits,): the number of the row behind each split's last, in the table
        ends = np.cumsum([split.n_rows for split in mine])
        n_wanted = min(sampled.n_rows, int(ends[-1]))
        drawn = _random(sampled.seed, "rows", view.lake.names[table]).choice(int(ends[-1]), n_wanted, replace=False)
        # (drawn,): which split holds each drawn row
        holder = np.searchsorted(ends, drawn, side="right")
        for place in np.unique(holder).tolist():
            start = int(ends[place]) - mine[place].n_rows
            positions = tuple(sorted((drawn[holder == place] - start).tolist()))
            yield mine[place], DrawnSplit(mine[place], positions)


def _judged(
    view: LakeView,
    numbers: Int32,
    samples: Mapping[tuple[int, int], UInt64],
    found: Mapping[tuple[int, int], UInt64],
) -> SketchedPairs:
    """Compared and missing rows of each pair; what a parent was found to have stands apart from its own draw."""
    # what a parent was found to have goes by the number of its table plus n_tables
    n_tables = len(view.lake.names)
    rows = {**samples, **{(number, table + n_tables): hashes for (number, table), hashes in found.items()}}
    children, parents = view.survey.children, view.survey.parents
    number = numbers[children]
    # every entry that a pair (k,) needs is there, if only with no rows: 2k keys
    for key in zip(np.tile(number, 2).tolist(), [*children.tolist(), *(parents + n_tables).tolist()], strict=True):
        rows.setdefault(key, np.empty((0, 2), np.uint64))
    # the entries behind each other: hashes (Σ rows, 2), those of entry e at indptr[e] … indptr[e + 1]
    keys = sorted(rows)
    sketches = RowSketches(
        projection=np.array([key[0] for key in keys], np.int32),
        table=np.array([key[1] for key in keys], np.int32),
        level=np.zeros(len(keys), np.int32),
        is_child=np.array([key[1] < n_tables for key in keys], np.bool_),
        indptr=np.cumsum([0, *(len(rows[key]) for key in keys)], dtype=np.int64),
        hashes=np.concatenate([rows[key] for key in keys]),
    )
    mine, theirs = sketches.entries(number, children), sketches.entries(number, parents + np.int32(n_tables))
    return SketchedPairs(children, parents, *compare_entries(sketches, mine, theirs))


def _answer(scanned: pa.Table) -> _Answer:
    samples: dict[tuple[int, int], list[bytes]] = {}
    errors: dict[int, str] = {}
    n_bytes, peak = 0, 0
    for row in scanned.to_pylist():
        if row["kind"] == "rows":
            samples.setdefault((row["projection"], row["table_id"]), []).append(row["data"])
        elif row["kind"] == "error":
            errors[row["table_id"]] = row["text"]
        else:
            n_bytes, peak = n_bytes + row["n_bytes"], max(peak, row["n"])
    return _Answer({key: distinct_rows(parts) for key, parts in samples.items()}, errors, n_bytes, peak)


def _random(seed: int, purpose: str, name: str) -> np.random.Generator:
    """A generator of its own for each table and purpose, so that one draw does not move another."""
    return np.random.default_rng([seed, *f"{purpose}\0{name}".encode()])


def _draw_splits(
    positions: Mapping[int, tuple[int, ...]], plan: ScanPlan, splits: Sequence[Split]
) -> Iterator[pa.RecordBatch]:
    return draw_rows(plan, [DrawnSplit(split, positions[split.split_id]) for split in splits])


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


def draw_cells(plan: ScanPlan, table_id: int, cells: Iterator[Mapping[str, Cells]], n_rows: int) -> pa.RecordBatch:
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
    for number, hashes in hasher.row_hashes().items():
        rows.add("rows", table_id, number, n=hasher.n_rows, data=sample_of(hashes, 0)[:n_rows].tobytes())


def _add_found(
    rows: ScanRows, plan: ScanPlan, table_id: int, cells: Mapping[str, Cells], wanted: Mapping[int, UInt64]
) -> None:
    hasher = new_hasher(plan, table_id)
    hasher.add(cells)
    for number, hashes in hasher.row_hashes().items():
        found = wanted[number][find_rows(wanted[number], sample_of(hashes, 0)) >= 0]
        if len(found):
            rows.add("rows", table_id, number, n=len(found), data=found.tobytes())

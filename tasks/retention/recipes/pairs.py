"""The pairs of one job, shared out so that a parent is read once for all of its children in a task."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from lakebed.tasks.retention.recipes.streamed import synthesise_streamed
from lakebed.tasks.retention.recipes.streams import is_large
from lakebed.tasks.retention.recipes.synthesis import Readers, synthesise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import TableRef


@dataclass(frozen=True)
class PairRefs:
    """A child and the parents that it is to be rebuilt from.

    `columns`: for each parent the child's tokens → its own, where columns are named otherwise.
    """

    child: TableRef
    parents: tuple[TableRef, ...]
    columns: tuple[Mapping[str, str], ...] | None = None

    @property
    def n_bytes(self) -> int:
        """Bytes of the files of all its tables."""
        return self.child.n_bytes + sum(parent.n_bytes for parent in self.parents)

    @property
    def largest_bytes(self) -> int:
        """Bytes of the largest table."""
        return max(table.n_bytes for table in (self.child, *self.parents))


@dataclass
class _Task:
    """Pairs of one task, numbered as they were given."""

    numbers: list[int] = field(default_factory=list)
    n_bytes: int = 0


def pack_pairs(pairs: Sequence[PairRefs], n_cores: int, task_bytes: int) -> list[list[int]]:
    """Numbers of the pairs of each task: pairs of one parent together, the heaviest groups first. O(pairs log pairs).

    Args:
        pairs: of the job.
        n_cores: tasks that can run at once; so many there are at least, if the pairs suffice.
        task_bytes: what one task reads, about.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, pair in enumerate(pairs):
        groups.setdefault(tuple(parent.name for parent in pair.parents), []).append(number)
    chunks = [chunk for numbers in groups.values() for chunk in _chunks(pairs, numbers, task_bytes)]
    total = sum(chunk.n_bytes for chunk in chunks)
    tasks = [_Task() for _ in range(min(len(chunks), max(n_cores, -(-total // task_bytes))))]
    for chunk in sorted(chunks, key=lambda chunk: (-chunk.n_bytes, chunk.numbers)):
        lightest = min(tasks, key=lambda task: task.n_bytes)
        lightest.numbers += chunk.numbers
        lightest.n_bytes += chunk.n_bytes
    return [task.numbers for task in tasks]


def _chunks(pairs: Sequence[PairRefs], numbers: Sequence[int], task_bytes: int) -> Iterator[_Task]:
    """The pairs of one parent, cut where their children alone fill a task."""
    parent_bytes = pairs[numbers[0]].n_bytes - pairs[numbers[0]].child.n_bytes
    chunk = _Task(n_bytes=parent_bytes)
    for number in numbers:
        child_bytes = pairs[number].child.n_bytes
        if chunk.numbers and chunk.n_bytes + child_bytes > max(task_bytes, 2 * parent_bytes):
            yield chunk
            chunk = _Task(n_bytes=parent_bytes)
        chunk.numbers.append(number)
        chunk.n_bytes += child_bytes
    yield chunk


OUTCOME_SCHEMA = pa.schema(
    [pa.field("number", pa.int32(), nullable=False), pa.field("outcome", pa.string(), nullable=False)]
)


def needs_stream(context: RecipeContext, pair: PairRefs) -> bool:
    """Whether a pair is read batch by batch; several parents, and text, are held in memory as long as bytes allow."""
    tables = (pair.child, *pair.parents)
    if len(pair.parents) > 1 or "text" in {table.read_via for table in tables}:
        return pair.largest_bytes > context.config.max_table_bytes
    return is_large(context, tables)


def solve_pairs(
    context: RecipeContext, pairs: Sequence[tuple[int, PairRefs]], until: float = 0.0
) -> Iterator[pa.RecordBatch]:
    """Synthesises the numbered pairs one after the other, in a worker of an engine.

    After `until`, a time in seconds since 1970, no further pair is begun but number 0, so that every run gets on; 0:
    there is no such time.
    Yields batches of one row: `number` of the pair and `outcome` as JSON.
    """
    readers = Readers(context)
    parents: tuple[str, ...] = ()
    for number, pair in pairs:
        if number and until and time.time() >= until:
            return
        names = tuple(parent.name for parent in pair.parents)
        readers.forget(names if names == parents else ())
        parents = names
        if needs_stream(context, pair):
            outcome = synthesise_streamed(context, pair.child, pair.parents, pair.columns)
        else:
            outcome = synthesise(context, pair.child, pair.parents, pair.columns, readers)
        arrays = [pa.array([number], pa.int32()), pa.array([outcome.model_dump_json()], pa.string())]
        yield pa.RecordBatch.from_arrays(arrays, schema=OUTCOME_SCHEMA)

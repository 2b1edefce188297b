"""What an engine is: it does the tasks of one work in worker processes, and hands on the record batches they make."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa


@dataclass(frozen=True)
class Work:
    """What is done with each task.

    Attributes:
        run: of a task makes batches; a function of a module, or a partial of one, so that it can be sent to a worker.
        schema: of the batches.
        title: what progress says.
    """

    run: Callable[[Any], Iterable[pa.RecordBatch]]
    schema: pa.Schema
    title: str


class Engine(Protocol):
    """Who does the work. Which engine it was shows in no key and in no digest: the order of batches is of no meaning.

    Attributes:
        is_local: whether no JVM has a part in it; then tables that only Spark can read cannot be read.
    """

    is_local: bool

    @property
    def n_workers(self) -> int:
        """Tasks that run at a time."""

    def start(self) -> None:
        """Begins what takes long to start, and returns at once."""

    def map(self, work: Work, tasks: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """The batches of all tasks, as they come; those given first are begun first.

        A task is sent to one worker and may be any object that can be pickled.

        Raises:
            LakeError: what a task raised; a StageError where its worker failed or was killed.
        """


def collect(engine: Engine, work: Work, tasks: Sequence[Any]) -> pa.Table:
    """All batches as one table; no worker is asked where there is no task."""
    return pa.Table.from_batches(engine.map(work, tasks) if tasks else (), work.schema)

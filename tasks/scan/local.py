"""The local engine: worker processes of this machine, no JVM."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lakebed.tasks.runtime.config import LocalConfig
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.scan.engine import Work


@dataclass(frozen=True)
class LocalEngine:
    """As many processes as the config says, which live as long as this one.

    Attributes:
        preload: `module` or `module:function` that the workers' parent imports or calls before it forks.
    """

    config: LocalConfig
    preload: tuple[str, ...] = ()
    is_local = True

    @property
    def n_workers(self) -> int:
        """Tasks that run at a time."""
        return self.config.n_workers

    def start(self) -> None:
        """Begins the processes, and returns at once."""
        from lakebed.tasks.scan.pool import shared_pool

        shared_pool(self.config, self.preload)

    def map(self, work: Work, tasks: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """As `Engine.map`; a worker that is killed is a WorkerLostError."""
        from lakebed.tasks.scan.pool import PoolEndedError, shared_pool

        with shown().step(work.title, len(tasks)) as step:
            while True:
                # what another stage failed at, while this one waited for the workers, is no failure of this one
                with suppress(PoolEndedError):
                    yield from shared_pool(self.config, self.preload).map(work, tasks, step.advance)
                    return

"""An engine that does its tasks in this process, one after the other."""


class HereEngine:
    """Cuts the work as for `n_workers`."""

    is_local = True

    def __init__(self, n_workers=2):
        self.n_workers = n_workers

    def start(self):
        """Nothing has to be started."""

    def map(self, work, tasks):
        """The batches of all tasks, in their order."""
        for task in tasks:
            yield from work.run(task)

"""The few numbers a reader looks for first."""

from dataclasses import dataclass

import numpy as np

from lakebed.tasks.report.graph import kept_bytes
from lakebed.tasks.report.model import ReportData


@dataclass(frozen=True, slots=True)
class Headline:
    """Counts and sizes of the whole lake; nothing here is cut."""

    n_tables: int
    n_rows: int
    n_bytes: int
    n_edges: int
    n_coincidental: int
    n_contained: int
    contained_bytes: int
    removable_bytes: int
    """Upper bound of what could be set aside: contained bytes less one table of each group of copies that lies in
    nothing else. Whether the rest can really go depends on how each table is rebuilt, which this stage does not ask."""

    @property
    def removable_share(self) -> float:
        """Of all bytes of the lake."""
        return self.removable_bytes / self.n_bytes if self.n_bytes else 0.0


def headline(data: ReportData) -> Headline:
    """Sum up; coincidental containments count as proven and nowhere else."""
    n_bytes = np.array([table.n_bytes for table in data.tables], dtype=np.int64)
    telling = data.relation.select(~data.relation.is_coincidental)
    contained = np.unique(telling.child)
    contained_bytes = int(n_bytes[contained].sum())
    return Headline(
        n_tables=len(data.tables),
        n_rows=sum(table.n_rows for table in data.tables),
        n_bytes=int(n_bytes.sum()),
        n_edges=data.relation.n_edges,
        n_coincidental=int(data.relation.is_coincidental.sum()),
        n_contained=len(contained),
        contained_bytes=contained_bytes,
        removable_bytes=contained_bytes - kept_bytes(telling, n_bytes),
    )

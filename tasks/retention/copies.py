"""Equal copies, group by group: which of them stays and why, and that no plan says otherwise."""

from collections.abc import Container, Mapping, Sequence

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lakebed.tasks.retention.contract import COPIES, SIGNALS
from lakebed.tasks.retention.keeper import Standing, lesser_by, told
from lakebed.tasks.retention.problem import Problem

COST = "cost"
SHOWN = 3


def copies_table(problem: Problem, deleted: Container[int]) -> pa.Table:
    """The COPIES table, given the tables that go."""
    tables, rows = problem.tables, []
    for number, group in enumerate(equal_copies(problem)):
        group.sort(key=tables.rank.__getitem__)
        keeper = _best([table for table in group if table not in deleted] or group, tables.standings)
        verdicts = {one: _against(tables.standings[one], tables.standings[keeper]) for one in group if one != keeper}
        verdicts[keeper] = _kept_because({tables.names[one]: verdict for one, verdict in verdicts.items()})
        rows += [
            (number, table, tables.names[table], "delete" if table in deleted else "keep", tables.names[keeper],
             *verdicts[table], tables.standings[table].first_written_ns)
            for table in sorted(group)
        ]  # fmt: skip
    return COPIES.table([dict(zip(COPIES.names, row, strict=True)) for row in rows])


def _best(group: Sequence[int], standings: Sequence[Standing]) -> int:
    best = group[0]
    for one in group[1:]:
        best = one if lesser_by(standings[best], standings[one], is_equal=True) else best
    return best


def _against(mine: Standing, keeper: Standing) -> tuple[str, str]:
    """The signal between a table and the keeper of its group, and the same in words."""
    if signal := lesser_by(mine, keeper, is_equal=True):
        return signal, f"ranks lower by {told(signal, mine, keeper)}"
    if signal := lesser_by(keeper, mine, is_equal=True):
        return (
            signal,
            f"ranks higher, but is rebuilt from a table that holds more; the keeper by {told(signal, keeper, mine)}",
        )
    return COST, "is equal in rank: the cost decides"


def _kept_because(others: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """The strongest signal against the others, and what is said of the first of them."""
    order = (*SIGNALS, COST)
    signal = min((signal for signal, _ in others.values()), key=order.index)
    told_of = [f"{name} {why}" for name, (_, why) in others.items()]
    more = f"; and {len(told_of) - SHOWN:,} more" if len(told_of) > SHOWN else ""
    return signal, "; ".join(told_of[:SHOWN]) + more


def equal_copies(problem: Problem) -> list[list[int]]:
    """The groups of two tables or more with the same rows and columns, each by table_id."""
    child, parent = (ends[problem.edges.copies] for ends in (problem.edges.child, problem.edges.parent))
    n = len(problem.tables.names)
    links = csr_array((np.ones(len(child), np.int8), (child, parent)), shape=(n, n))
    number = connected_components(links, directed=False)[1]
    groups: dict[int, list[int]] = {}
    for table in np.unique(np.concatenate([child, parent])).tolist():
        groups.setdefault(int(number[table]), []).append(table)
    return list(groups.values())

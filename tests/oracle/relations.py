"""Unions, parts, column maps and near misses by Python sets and counters; follows docs/relations.md, shares no code."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.oracle.brute_force import Leaves, Path, Row, Semantics


def lies_in(child: Counter[Row], parents: Sequence[Counter[Row]], semantics: Semantics) -> bool:
    """Whether each row of the child is in one of the parents; for bags, in one of them at least as often."""
    if semantics == "set":
        return all(any(row in parent for parent in parents) for row in child)
    return all(any(parent[row] >= n for parent in parents) for row, n in child.items())


def is_covered(child: Leaves, parents: Sequence[Leaves], semantics: Semantics) -> bool:
    """The same for tables, on the child's columns."""
    paths = sorted(child.columns, key=str)
    return lies_in(child.rows(paths), [parent.rows(paths) for parent in parents], semantics)


def holds_under(child: Leaves, parent: Leaves, column_map: Mapping[Path, Path], semantics: Semantics) -> bool:
    """Whether the child lies in the parent when its columns are named as the map says, no column used twice."""
    assert set(column_map) == set(child.columns)
    assert len(set(column_map.values())) == len(column_map)
    paths = sorted(child.columns, key=str)
    return lies_in(child.rows(paths), [parent.rows([column_map[path] for path in paths])], semantics)


def fraction(child: Leaves, parent: Leaves) -> float:
    """Share of the child's distinct rows that the parent has."""
    paths = sorted(child.columns, key=str)
    mine, theirs = child.rows(paths), parent.rows(paths)
    return sum(row in theirs for row in mine) / len(mine)

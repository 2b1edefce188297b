"""Where metadata lacks bounds: which columns to read for them, and what reading them gave."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lakebed.connectors.lake.canonical import has_order
from lakebed.connectors.lake.statistics import UNKNOWN, FileFacts, tight
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.kernel import TableFacts
from lakebed.tasks.inventory.worker import BoundsUnit, Outcome

_MIB = 1 << 20


@dataclass(frozen=True)
class Gap:
    """A column that lacks bounds in the files at `places`: bytes to read for them, token."""

    n_bytes: int
    token: str
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class TableGaps:
    """The gaps of a table that Arrow reads, and the size of its files in bytes."""

    name: str
    n_bytes: int
    gaps: tuple[Gap, ...]


def table_gaps(tables: Iterable[TableFacts]) -> list[TableGaps]:
    """What metadata does not say of the tables that Arrow reads."""
    return [
        TableGaps(table.source.name, sum(file.size for file in table.files), tuple(_gaps(table)))
        for table in tables
        if table.read_via == "arrow"
    ]


def choose_gaps(tables: Sequence[TableGaps], config: InventoryConfig) -> dict[str, list[Gap]]:
    """The gaps to close, by name of the table, the smallest first, as far as the config's bytes go.

    Which are chosen depends on all tables of the lake, and on nothing else.
    """
    budget = max(config.statistics_mib * _MIB, int(config.statistics_share * sum(table.n_bytes for table in tables)))
    chosen: dict[str, list[Gap]] = {}
    every = ((gap.n_bytes, table.name, gap.token, gap) for table in tables for gap in table.gaps)
    for n_bytes, name, _, gap in sorted(every, key=lambda entry: entry[:3]):
        budget -= n_bytes
        if budget < 0:
            break
        chosen.setdefault(name, []).append(gap)
    return chosen


def plan_missing(
    tables: Iterable[TableFacts], chosen: Mapping[str, Sequence[Gap]]
) -> list[tuple[TableFacts, FileFacts, BoundsUnit]]:
    """The columns to read of each file, for the chosen gaps.

    All files of a column are read or none, since one file without bounds leaves the column without.
    """
    planned = []
    for table in tables:
        wanted: dict[int, list[str]] = {}
        for gap in chosen.get(table.source.name, ()):
            for place in gap.places:
                wanted.setdefault(place, []).append(gap.token)
        planned += [(table, table.files[place], _unit(table.files[place], wanted[place])) for place in sorted(wanted)]
    return planned


def apply_bounds(file: FileFacts, outcome: Outcome) -> None:
    """Enters the bounds that were read; a column of NaNs or of nulls has none."""
    place = {leaf.token: index for index, leaf in enumerate(file.leaves)}
    for token, bounds in outcome.bounds.items():
        if bounds.low is None or bounds.high is None:
            # nothing but null and NaN: as null does to the bounds, so does NaN, but it is no null
            file.statistics.put(place[token], UNKNOWN, "none", bounds.n_nulls)
        else:
            file.statistics.put(place[token], tight(bounds.low, bounds.high), "tight", bounds.n_nulls)


def _gaps(table: TableFacts) -> Iterator[Gap]:
    places: dict[str, list[int]] = {}
    sizes: dict[str, int] = {}
    for place, file in enumerate(table.files):
        statistics = file.statistics
        for index, leaf in enumerate(file.leaves):
            is_cast = file.staged_path is None and leaf.token in file.casts
            if leaf.token in table.partition_types or is_cast or not _is_gap(file, index):
                continue
            n_bytes = statistics.n_bytes[index]
            places.setdefault(leaf.token, []).append(place)
            sizes[leaf.token] = sizes.get(leaf.token, 0) + (file.size if n_bytes is None else n_bytes)
    yield from (Gap(sizes[token], token, tuple(found)) for token, found in places.items())


def _is_gap(file: FileFacts, index: int) -> bool:
    """Whether reading a column would tell more than its metadata does.

    Where a writer counted the nulls of a float column but gave no bounds, NaN is among the values or all there is.
    """
    n_nulls, type_ = file.statistics.n_nulls[index], file.leaves[index].type
    if file.statistics.tightness[index] != "none" or not file.n_rows or n_nulls == file.n_rows:
        return False
    return has_order(type_) and not (n_nulls is not None and pa.types.is_floating(type_))


def _unit(file: FileFacts, tokens: list[str]) -> BoundsUnit:
    sizes = dict(zip((leaf.token for leaf in file.leaves), file.statistics.n_bytes, strict=True))
    return BoundsUnit(file.path, tuple(tokens), sum(sizes[token] or 0 for token in tokens))

"""Where metadata lacks bounds: which columns to read for them, and what reading them gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from connectors.lake.canonical import has_order
from connectors.lake.statistics import UNKNOWN, tight
from tasks.inventory.worker import BoundsUnit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.lake.statistics import FileFacts
    from tasks.inventory.config import InventoryConfig
    from tasks.inventory.kernel import TableFacts
    from tasks.inventory.worker import Outcome

_MIB = 1 << 20


def plan_missing(
    tables: Iterable[TableFacts], config: InventoryConfig
) -> list[tuple[TableFacts, FileFacts, BoundsUnit]]:
    """The columns without bounds of files that Arrow reads, smallest first, as far as the config's bytes go.

    All files of a column are read or none, since one file without bounds leaves the column without.
    """
    tables = [table for table in tables if table.read_via == "arrow"]
    budget = max(
        config.statistics_mib * _MIB,
        int(config.statistics_share * sum(file.size for table in tables for file in table.files)),
    )
    wanted: dict[tuple[int, int], list[str]] = {}
    for n_bytes, number, token, places in sorted(_gaps(tables)):
        budget -= n_bytes
        if budget < 0:
            break
        for place in places:
            wanted.setdefault((number, place), []).append(token)
    return [
        (tables[number], file := tables[number].files[place], _unit(file, tokens))
        for (number, place), tokens in sorted(wanted.items())
    ]


def apply_bounds(file: FileFacts, outcome: Outcome) -> None:
    """Enters the bounds that were read; a column of NaNs or of nulls has none."""
    place = {leaf.token: index for index, leaf in enumerate(file.leaves)}
    for token, bounds in outcome.bounds.items():
        if bounds.low is None or bounds.high is None:
            # nothing but null and NaN: as null does to the bounds, so does NaN, but it is no null
            file.statistics.put(place[token], UNKNOWN, "none", bounds.n_nulls)
        else:
            file.statistics.put(place[token], tight(bounds.low, bounds.high), "tight", bounds.n_nulls)


def _gaps(tables: list[TableFacts]) -> Iterable[tuple[int, int, str, tuple[int, ...]]]:
    """Each column that lacks bounds in some file: bytes to read, number of the table, token, places of the files."""
    for number, table in enumerate(tables):
        places: dict[str, list[int]] = {}
        sizes: dict[str, int] = {}
        for place, file in enumerate(table.files):
            statistics = file.statistics
            for index, leaf in enumerate(file.leaves):
                if leaf.token in table.partition_types or not _is_gap(file, index):
                    continue
                n_bytes = statistics.n_bytes[index]
                places.setdefault(leaf.token, []).append(place)
                sizes[leaf.token] = sizes.get(leaf.token, 0) + (file.size if n_bytes is None else n_bytes)
        yield from ((sizes[token], number, token, tuple(found)) for token, found in places.items())


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

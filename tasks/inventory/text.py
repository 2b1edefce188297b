"""What scans of data tell, in the form in which metadata tells it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import pyarrow as pa

from lakebed.connectors.lake.canonical import Canonical
from lakebed.connectors.lake.leaves import Leaf, path_of, schema_leaves
from lakebed.connectors.lake.statistics import AFTER_TEXT, UNKNOWN, FileFacts, Interval, LeafStatistics, Tightness
from lakebed.connectors.lake.text.model import Bounds, BoundValue, ResolvedColumn, TextScan
from lakebed.connectors.lake.text.resolve import resolve_types

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_facts(
    scans: Sequence[TextScan], staged_paths: Sequence[str], row_groups: Sequence[tuple[list[int], list[int]]]
) -> list[FileFacts]:
    """The facts of the files of one table of text.

    Args:
        scans: of all its files, in the order of their paths.
        staged_paths: where their Parquet copies lie, relative to the artifact's folder.
        row_groups: rows and compressed bytes of each row group of the copies.

    Raises:
        SourceError: if the files do not make one table.
    """
    columns = resolve_types(scans)
    return [
        FileFacts(
            path=scan.path,
            size=scan.n_bytes,
            n_rows=scan.n_rows,
            row_group_rows=row_groups[index][0],
            row_group_bytes=row_groups[index][1],
            leaves=[_leaf(column) for column in columns if _is_in(scan, column)],
            statistics=_statistics(scan, columns, index),
            staged_path=staged_paths[index],
            casts={column.token: cast for column in columns if (cast := column.casts[index])},
            notes=scan.notes,
        )
        for index, scan in enumerate(scans)
    ]


def fold_tokens(schema: pa.Schema) -> dict[str, str]:
    """From each token of a schema to its token where case does not matter."""
    pairs = zip(schema_leaves(schema), schema_leaves(schema, ignore_case=True), strict=True)
    return {plain.token: folded.token for plain, folded in pairs}


def _is_in(scan: TextScan, column: ResolvedColumn) -> bool:
    return any(known.token == column.token for known in scan.columns)


def _leaf(column: ResolvedColumn) -> Leaf:
    path = path_of(column.token)
    return Leaf(column.token, path, column.type, sum(isinstance(step, str) for step in path) - 1)


def _statistics(scan: TextScan, columns: Sequence[ResolvedColumn], index: int) -> LeafStatistics:
    n_nulls = {column.token: column.n_nulls for column in scan.columns}
    result = LeafStatistics()
    for column in columns:
        if column.token in n_nulls:
            result.add(*_interval(column.file_bounds[index]), n_nulls[column.token], None)
    return result


def _interval(bounds: Bounds | None) -> tuple[Interval, Tightness]:
    if bounds is None:
        return UNKNOWN, "none"
    low, high = _canonical(bounds.minimum), _canonical(bounds.maximum)
    low_end, high_end = low, high
    if bounds.is_minimum_cut and isinstance(low, bytes):
        low_end = low + AFTER_TEXT
    if bounds.is_maximum_cut and isinstance(high, bytes):
        high_end = high + AFTER_TEXT
    return (low, low_end, high, high_end), "cut" if bounds.is_minimum_cut or bounds.is_maximum_cut else "tight"


def _canonical(value: BoundValue) -> Canonical:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, datetime):
        since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    if isinstance(value, date):
        return value.toordinal() - _EPOCH.toordinal()
    return value

"""What the content scan reads: which tables, under which projections, in which splits, sampled how densely."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.kernel.fingerprint import VALUE_SAMPLE, HashSettings
from lakebed.tasks.containment.kernel.schema_graph import Int32
from lakebed.tasks.containment.scan import ScanPlan, TableScan
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.encoding.sketch import sketch_level
from lakebed.tasks.runtime.workspace import Workspace

MIN_SKETCH_ROWS = 16


@dataclass(frozen=True)
class ScanPlaces:
    """Where the scan reads staged text and writes row hashes."""

    staged_root: str
    out_uri: str


def plan_scan(
    lake: LakeStatistics, roles: Int32, config: ContainmentConfig, workspace: Workspace, places: ScanPlaces
) -> ScanPlan:
    """Plans the scan of the tables in `roles`: rows (schema of a child, table)."""
    row_target = min(config.sketch_rows, max(MIN_SKETCH_ROWS, config.sketch_budget_rows // max(1, len(roles))))
    schemas = np.unique(roles[:, 0]).tolist()
    by_table: dict[int, list[int]] = {}
    for schema, table in roles.tolist():
        by_table.setdefault(table, []).append(schema)
    n_rows = lake.n_rows
    return ScanPlan(
        lake_root=workspace.lake.root,
        staged_root=places.staged_root,
        out_uri=places.out_uri,
        projections={schema: projection_of(lake.projection_tokens(schema)) for schema in schemas},
        tables={
            table: TableScan(
                projections=tuple(projections),
                row_level=sketch_level(int(n_rows[table]), row_target),
                value_level=sketch_level(int(n_rows[table]), VALUE_SAMPLE),
            )
            for table, projections in by_table.items()
        },
        settings=HashSettings(config.key, config.strict_types),
        bucket_bits=bucket_bits(int(n_rows[roles[:, 1]].sum()), config.rows_per_bucket),
        ignore_case=workspace.lake.ignore_column_case,
    )


def bucket_bits(n_rows: int, rows_per_bucket: int) -> int:
    """Bits of the hash range, so that a bucket has about `rows_per_bucket` rows; two buckets at least."""
    return max(1, int(np.ceil(np.log2(max(1, n_rows) / rows_per_bucket))) if n_rows else 1)


def projection_of(tokens: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """An id of the column subset that is the same in every lake, and the subset."""
    digest = hashlib.sha256()
    for token in tokens:
        encoded = token.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return int.from_bytes(digest.digest()[:8], "little", signed=True), tuple(tokens)

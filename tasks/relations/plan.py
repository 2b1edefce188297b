"""What is read of the lake: items (tables, parts of tables, tables under other names) and how densely."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.kernel.fingerprint import HashSettings
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.scan import ScanPlaces, ScanPlan, TableScan, projection_of
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.encoding.sketch import MAX_LEVEL, sketch_level
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.parts import Part
from lakebed.tasks.runtime.workspace import Workspace


@dataclass(frozen=True)
class Wanted:
    """Rows of one item under one projection.

    Attributes:
        item: its number; below the number of tables a table_id.
        projection: number of the child's schema, under whose names the rows are hashed.
        tokens: of the table's columns, in the order of the projection's own.
        paths: files that make up the item; None for all of the table's.
        level: of its sample; 0 keeps every row.
    """

    item: int
    projection: int
    tokens: tuple[str, ...]
    paths: frozenset[str] | None
    level: int


@dataclass(frozen=True)
class ItemPlan(ScanPlan):
    """A scan of items. What it inherits says which columns of which table are read.

    Attributes:
        wanted: by table_id.
        labels: number of a projection → its id and tokens, under which cells are hashed.
        has_values: whether every column's values are sampled.
    """

    wanted: Mapping[int, tuple[Wanted, ...]] = field(default_factory=dict)
    labels: Mapping[int, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    has_values: bool = False


@dataclass(frozen=True)
class ItemRoles:
    """Items under projections, sorted by (projection, item). Shapes: (k,) each, as in `ItemSamples`."""

    projection: Int32
    item: Int32
    level: Int32
    is_child: np.ndarray[tuple[int], np.dtype[np.bool_]]

    def take(self, places: Int64) -> "ItemRoles":
        """Some of them."""
        return ItemRoles(self.projection[places], self.item[places], self.level[places], self.is_child[places])


def item_roles(
    lake: LakeStatistics, table_roles: Int32, parts: Sequence[Part], config: RelationsConfig, *, has_tables: bool
) -> ItemRoles:
    """The samples wanted: of the related tables, and of the parts of those that are children.

    Args:
        lake: the statistics.
        table_roles: (k, 2) (schema of a child, table).
        parts: of tables.
        config: sample sizes.
        has_tables: whether tables are children themselves, or parts only.
    """
    own = {(int(schema), int(table)) for schema, table in table_roles}
    schema_of = lake.groups.schema_of_table
    mine = [part for part in parts if (int(schema_of[part.table_id]), part.table_id) in own]
    roles = [
        (*table_roles.T, lake.n_rows[table_roles[:, 1]], schema_of[table_roles[:, 1]] == table_roles[:, 0]),
        (
            np.array([schema_of[part.table_id] for part in mine], np.int64),
            np.array([part.item for part in mine], np.int64),
            np.array([part.n_rows for part in mine], np.int64),
            np.ones(len(mine), np.bool_),
        ),
    ]
    projection, item, n_rows, is_child = (np.concatenate(columns) for columns in zip(*roles, strict=True))
    if not has_tables:
        is_child = is_child & (item >= len(lake.names))
    order = np.lexsort((item, projection))
    projection, item, is_child = projection[order], item[order], is_child[order]
    level = sample_levels(projection, n_rows[order], is_child, config)
    return ItemRoles(projection.astype(np.int32), item.astype(np.int32), level, is_child)


def sample_levels(projection: Int64, n_rows: Int64, is_child: Int64, config: RelationsConfig) -> Int32:
    """Level of each sample, (k,): as fine as the smallest child of its projection needs, while the budget lasts.

    A pair is compared at the coarser of its two levels, so a large parent of a small child must be sampled densely; the
    budget coarsens the largest samples first. Shapes: (k,) each, projections ascending.
    """
    if not len(projection):
        return np.empty(0, np.int32)
    level = np.array([sketch_level(int(n), config.sketch_rows) for n in n_rows], np.int64)
    finest = np.full(int(projection.max()) + 1, MAX_LEVEL, np.int64)
    np.minimum.at(finest, projection[is_child], level[is_child])
    level = np.minimum(level, finest[projection])
    kept = n_rows >> level
    while kept.sum() > config.sketch_budget_rows and kept.max() > config.sketch_rows:
        is_large = kept >= max(config.sketch_rows + 1, int(kept.max()) // 2)
        level = level + is_large
        kept = n_rows >> level
    return level.astype(np.int32)


def sampling_plan(
    lake: LakeStatistics,
    roles: ItemRoles,
    parts: Sequence[Part],
    setting: tuple[ContainmentConfig, Workspace, str],
    value_tables: Iterable[int],
) -> ItemPlan:
    """The scan that samples rows of the items, and values of every column of the value tables.

    Args:
        lake: the statistics.
        roles: what is sampled.
        parts: by their items.
        setting: config of containment, workspace, where staged text lies.
        value_tables: whose values are sampled.
    """
    by_item = {part.item: part for part in parts}
    tokens = {schema: tuple(lake.projection_tokens(schema)) for schema in np.unique(roles.projection).tolist()}
    wanted: dict[int, list[Wanted]] = {}
    for schema, item, level in zip(roles.projection.tolist(), roles.item.tolist(), roles.level.tolist(), strict=True):
        part = by_item.get(item)
        table, paths = (part.table_id, part.paths) if part else (item, None)
        wanted.setdefault(table, []).append(Wanted(item, schema, tokens[schema], paths, level))
    schema_of = lake.groups.schema_of_table
    whole = {table: tuple(lake.projection_tokens(int(schema_of[table]))) for table in value_tables}
    labels = {schema: projection_of(names) for schema, names in tokens.items()}
    return plan_items(wanted, labels, whole, setting, ("", 1))


def plan_items(
    wanted: Mapping[int, Sequence[Wanted]],
    labels: Mapping[int, tuple[int, tuple[str, ...]]],
    whole: Mapping[int, tuple[str, ...]],
    setting: tuple[ContainmentConfig, Workspace, str],
    out: tuple[str, int],
) -> ItemPlan:
    """The scan that reads what is wanted; `whole` are tables whose values are sampled, with all their tokens.

    `out` is where row hashes go and in how many bits' worth of buckets.
    """
    config, workspace, staged_root = setting
    tables = sorted({*wanted, *whole})
    read = {
        table: tuple(
            dict.fromkeys([*whole.get(table, ()), *(token for w in wanted.get(table, ()) for token in w.tokens)])
        )
        for table in tables
    }
    return ItemPlan(
        lake_root=workspace.lake.root,
        staged_root=staged_root,
        out_uri=out[0],
        projections={table: (0, tokens) for table, tokens in read.items()},
        tables={table: TableScan((table,), 0, 0) for table in tables},
        settings=HashSettings(config.key_at(workspace.artifacts), config.strict_types),
        bucket_bits=out[1],
        ignore_case=workspace.lake.ignore_column_case,
        wanted={table: tuple(rows) for table, rows in wanted.items()},
        labels=labels,
        has_values=bool(whole),
    )


def hashing_plan(
    wanted: Mapping[int, Sequence[Wanted]],
    labels: Mapping[int, tuple[int, tuple[str, ...]]],
    bits: int,
    setting: tuple[ContainmentConfig, Workspace, str],
    places: ScanPlaces,
) -> ItemPlan:
    """The scan that writes the row hashes of every wanted item, in 2^bits buckets."""
    return plan_items(wanted, labels, {}, setting, (places.out_uri, bits))

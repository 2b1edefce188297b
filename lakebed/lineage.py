"""What a stage read and wrote, for its lineage event."""

import json
from collections.abc import Mapping
from functools import lru_cache

import pyarrow as pa

from lakebed.chain import STAGE_OF
from lakebed.config import LakebedConfig
from lakebed.connectors.delta import open_table
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore, Manifest
from lakebed.tasks.runtime.lineage import LakeTable, Made, database_name, dataset_name


def made_by(
    store: ArtifactStore,
    config: LakebedConfig,
    refs: Mapping[str, ArtifactRef],
    ref: ArtifactRef,
    *,
    is_reused: bool,
) -> Made:
    """What the stage of an artifact read and wrote.

    Args:
        store: that the artifacts lie in.
        config: of the run.
        refs: the artifacts of the run so far, by stage.
        ref: the artifact.
        is_reused: whether it was there before.
    """
    lake = config.lake
    manifest = store.manifest(ref)
    tables: tuple[LakeTable, ...] = ()
    n_tables = None
    if STAGE_OF[ref.stage].reads_lake:
        urls = tuple((name, one.url) for name, one in lake.databases.items())
        inventory = refs.get(INVENTORY.name, ref)
        tables, n_tables = _lake_tables(store.root, inventory, lake.root, urls, config.lineage.max_datasets)
    return Made(
        root=store.root,
        manifest=manifest,
        schemas=_schemas(store, manifest),
        is_reused=is_reused,
        read=tuple(store.manifest(one) for one in manifest.inputs),
        lake_tables=tables,
        n_lake_tables=n_tables,
    )


def _schemas(store: ArtifactStore, manifest: Manifest) -> Mapping[str, list[tuple[str, str]]]:
    found = {}
    for name in manifest.tables:
        schema = pa.schema(open_table(store.table_uri(manifest.ref, name)).schema().to_arrow())
        found[name] = [(field.name, str(field.type)) for field in schema]
    return found


@lru_cache(maxsize=1)
def _lake_tables(
    root: str, inventory: ArtifactRef, lake: str, urls: tuple[tuple[str, str], ...], most: int
) -> tuple[tuple[LakeTable, ...], int]:
    """The biggest tables with their columns, and the number of all; read once for all stages of a run."""
    store = ArtifactStore(root)
    tables = store.read(inventory, "tables", ["table_id", "name", "path", "format", "n_bytes"])
    biggest = tables.sort_by([("n_bytes", "descending"), ("name", "ascending")]).slice(0, most).to_pylist()
    wanted = {row["table_id"]: _place(row, lake, dict(urls)) for row in biggest}
    columns: dict[int, list[tuple[int, str, str]]] = {number: [] for number in wanted}
    if wanted:
        leaves = store.read(inventory, "columns", ["table_id", "position", "token", "type"])
        chosen = leaves.filter(pa.compute.is_in(leaves["table_id"], pa.array(list(wanted), pa.int32())))
        for row in chosen.to_pylist():
            columns[row["table_id"]].append((row["position"], _dotted(row["token"]), row["type"]))
    found = (LakeTable(*place, _in_order(columns[number])) for number, place in wanted.items())
    return tuple(found), tables.num_rows


def _place(row: Mapping[str, str], lake: str, urls: Mapping[str, str]) -> tuple[str, str]:
    """Namespace and name of a table: a file or folder, or a table of a database or catalog."""
    source, _, table = row["name"].partition("/")
    if row["format"] in ("postgresql", "mariadb", "sqlserver"):
        return database_name(urls[source], table)
    if row["format"] == "catalog":
        return f"catalog://{source}", table
    return dataset_name(lake, "" if row["path"] == "." else row["path"])


def _in_order(leaves: list[tuple[int, str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, kind) for _, name, kind in sorted(leaves))


def _dotted(token: str) -> str:
    return ".".join(map(str, json.loads(token)))

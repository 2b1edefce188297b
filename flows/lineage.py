"""What a stage read and wrote, for its lineage event."""

import json
from collections.abc import Mapping
from functools import lru_cache

import pyarrow as pa

from connectors.delta import open_table
from tasks.runtime.artifacts import ArtifactRef, ArtifactStore, Manifest
from tasks.runtime.lineage import LakeTable, Made

INVENTORY = "inventory"
# these read rows or footers of the lake, the others artifacts only
LAKE_READERS = frozenset({INVENTORY, "containment", "relations", "retention", "lakegraph"})


def made_by(store: ArtifactStore, ref: ArtifactRef, inventory: ArtifactRef, *, is_reused: bool, most: int) -> Made:
    """What the stage of an artifact read and wrote.

    Args:
        store: of the artifacts.
        ref: the artifact.
        inventory: that tells the lake's tables.
        is_reused: whether the artifact was there before.
        most: tables of the lake to name, the biggest first.
    """
    manifest = store.manifest(ref)
    tables, n_tables = _lake_tables(store.root, inventory, most) if ref.stage in LAKE_READERS else ((), None)
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
def _lake_tables(root: str, inventory: ArtifactRef, most: int) -> tuple[tuple[LakeTable, ...], int]:
    """The biggest tables with their columns, and the number of all; read once for all stages of a run."""
    store = ArtifactStore(root)
    tables = store.read(inventory, "tables", ["table_id", "path", "n_bytes"])
    biggest = tables.sort_by([("n_bytes", "descending"), ("path", "ascending")]).slice(0, most).to_pylist()
    wanted = {row["table_id"]: row["path"] for row in biggest}
    columns: dict[int, list[tuple[int, str, str]]] = {number: [] for number in wanted}
    if wanted:
        leaves = store.read(inventory, "columns", ["table_id", "position", "token", "type"])
        chosen = leaves.filter(pa.compute.is_in(leaves["table_id"], pa.array(list(wanted), pa.int32())))
        for row in chosen.to_pylist():
            columns[row["table_id"]].append((row["position"], _dotted(row["token"]), row["type"]))
    found = (LakeTable(path, _in_order(columns[number])) for number, path in wanted.items())
    return tuple(found), tables.num_rows


def _in_order(leaves: list[tuple[int, str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, kind) for _, name, kind in sorted(leaves))


def _dotted(token: str) -> str:
    return ".".join(map(str, json.loads(token)))

"""Small artifacts of inventory and containment, published as their stages publish them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.contract import CONTRACTS as CONTAINMENT
from lakebed.tasks.inventory.contract import CONTRACTS as INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.contract import Contract
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec
from lakebed.tasks.runtime.workspace import Workspace

NAMES = ("all", "all/2024", "ages", "copy")
SIZES = (4000, 2000, 100, 4100)


def workspace(root: Path, run_id: str = "") -> Workspace:
    return Workspace(lake=LakeConfig(root="lakes/small"), artifacts=str(root), run_id=run_id)


def publish_inventory(space: Workspace) -> ArtifactRef:
    tables: list[dict[str, object]] = [
        {
            "table_id": k, "name": name, "path": f"{name}.parquet", "format": "parquet", "n_files": 1, "n_rows": 10 * k,
            "n_bytes": SIZES[k], "n_columns": 2, "schema_digest": "0" * 64, "delta_version": None, "read_via": "arrow",
            "partition_columns": [],
        }
        for k, name in enumerate(NAMES)
    ]  # fmt: skip
    unreadable = [{"name": f"broken-{k}", "format": "csv", "reason": "ragged", "hint": "mend it"} for k in range(3)]
    return _publish("inventory", INVENTORY, {"tables": tables, "unreadable": unreadable}, space, StageMetrics())


def edge(child: int, parent: int, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "child": NAMES[child], "parent": NAMES[parent], "child_id": child, "parent_id": parent, "semantics": "set",
        "n_child_rows": 10 * child, "n_child_distinct": child, "n_parent_rows": 10 * parent, "n_parent_distinct": 7,
        "chance": 0.001, "coincidental": False, "coincidental_reason": None,
        "chance_parts": json.dumps({"density": 0.5}),
        "is_mutual": False, "child_bytes": SIZES[child], "certificate": json.dumps({"encoding_id": "e1"}),
    }  # fmt: skip
    return row | changes


def candidate(child: int, parent: int, verdict: str, n_missing: int = 0, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "child_id": child, "parent_id": parent, "verdict": verdict, "n_compared": 100, "n_missing": n_missing,
        "fraction": None, "fraction_low": None, "fraction_high": None,
    }  # fmt: skip
    return row | changes


def publish_containment(
    space: Workspace,
    inventory: ArtifactRef,
    edges: Sequence[Mapping[str, object]],
    candidates: Sequence[Mapping[str, object]],
) -> ArtifactRef:
    rows = {
        "edges": edges,
        "candidates": candidates,
        "funnel": [
            {"position": 0, "step": "schema", "n_pairs": 12, "n_tables": 4},
            {"position": 1, "step": "proof", "n_pairs": len(edges), "n_tables": 3},
        ],
        "unstable": [{"name": "moving", "reason": "its size changed"}],
    }
    metrics = StageMetrics(steps=[("scan", 0.2, 0), ("proof", 1.5, 1000), ("proof", 0.5, 24)])
    return _publish("containment", CONTAINMENT, rows, space, metrics, [inventory])


def _publish(
    name: str,
    contracts: Mapping[str, Contract],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    space: Workspace,
    metrics: StageMetrics,
    inputs: Sequence[ArtifactRef] = (),
) -> ArtifactRef:
    stage = Stage(StageSpec(name, 1, contracts), inputs=inputs, config=ContainmentConfig(), workspace=space)
    tables = {
        table: pa.Table.from_pylist(list(rows.get(table, ())), schema=contract.arrow_schema())
        for table, contract in contracts.items()
    }
    return stage.publish(tables, {"tables": len(NAMES)}, metrics)

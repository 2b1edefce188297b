"""Plans and lakes small enough to read."""

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.retention.identity import LakeState, digested
from lakebed.tasks.retention.plan import Plan, PlannedTable
from lakebed.tasks.runtime.artifacts import ArtifactRef

ROWS = pa.table({"id": list(range(20)), "city": [f"c{row % 3}" for row in range(20)]})


def write_lake(root):
    """A Parquet table, a part of it, and a Delta table."""
    root.mkdir(parents=True)
    pq.write_table(ROWS, root / "all.parquet")
    pq.write_table(ROWS.slice(0, 5), root / "some.parquet")
    write_deltalake(str(root / "delta"), ROWS)


def plan_of(root, **changes):
    """A sealed plan that deletes `some`."""
    lake = LakeConfig(root=str(root))
    state = LakeState.of(lake)
    found = digested(state.root, [state.identity(name) for name in ("all", "delta", "some")])
    tables = [table(one.name, one) for one in found[:2]]
    tables.append(
        table("some", found[2], decision="delete", parents=("all",), recipe={"kind": "x"}, original_hash="ab")
    )
    plan = Plan(
        lake=lake,
        lake_identity=state.listing_identity,
        artifacts={"inventory": ArtifactRef(stage="inventory", key="0", digest="1")},
        config_digest="2",
        currency="EUR",
        prices_date="2025-01-01",
        tables=tuple(tables),
    )
    return plan.model_copy(update=changes).sealed("now")


def table(name, identity, decision="keep", **more):
    return PlannedTable(
        name=name,
        decision=decision,
        reason="r",
        why="w",
        n_rows=1,
        n_bytes=1,
        n_accesses=0.0,
        identity=identity,
        **more,
    )

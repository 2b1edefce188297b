"""Lakes of small tables, and the containment search on them in this process: the same functions, but no Spark."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment import outcome
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.jobs import PairList, compare_here
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.samples import ContentScan, Verified, gather
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlaces, plan_scan, scan_splits
from lakebed.tasks.containment.search import one_of_equals, sketch
from lakebed.tasks.containment.statistics import view_lake
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.splits import pack_splits, plan_splits
from tests.oracle.brute_force import Leaves, contained_pairs

# bounds are taken from metadata alone, so that the inventory needs no Spark
METADATA_ONLY = InventoryConfig(statistics_mib=0, statistics_share=0.0)


@dataclass
class Found:
    """What the search found on a lake."""

    view: object
    content: ContentScan
    sketched: object
    verified: Verified
    edges: pa.Table

    @property
    def pairs(self):
        """The proven pairs by name."""
        return set(zip(self.edges["child"].to_pylist(), self.edges["parent"].to_pylist(), strict=True))


def write_lake(root, tables, **options):
    """Parquet files, one a table; tables by name."""
    for name, table in tables.items():
        path = Path(root) / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, **options)


def workspace_of(folder, **lake):
    """A workspace of the lake in `folder`/lake."""
    return Workspace(lake=LakeConfig(root=str(folder / "lake"), **lake), artifacts=str(folder / "artifacts"))


def view_of(workspace, config):
    """The inventory of the lake, and what statistics leave of its pairs."""
    inventory = run_stage(INVENTORY, Inputs.of(workspace, METADATA_ONLY))
    store = ArtifactStore(workspace.artifacts)
    return view_lake(store, inventory, config), store.folder(inventory.stage, inventory.key)


def scan_here(view, config, workspace, places, n_tasks=2):
    """`search.scan_content` in this process."""
    roles = view.survey.roles
    plan = plan_scan(view.lake, roles, config, workspace, places)
    splits = plan_splits(view.tables, sorted(plan.tables), config.target_split_bytes)
    batches = [batch for task in pack_splits(splits, n_tasks) for batch in scan_splits(plan, task)]
    result = gather(pa.Table.from_batches(batches, SCAN_SCHEMA), plan, roles, view.lake)
    return ContentScan(plan, result, dict(result.errors))


def verify_here(view, content, pairs, config, reused=()):
    """`search.verify` in this process."""
    if not len(pairs.child):
        return Verified(pairs, PairCounts.none())
    schemas = view.lake.groups.schema_of_table[pairs.child].tolist()
    ids = np.array([content.plan.projections[schema][0] for schema in schemas], np.int64)
    buckets = {}
    for file in content.result.files:
        buckets.setdefault(file.bucket, []).append(file.path)
    wanted = PairList(ids, pairs.child, pairs.parent, content.plan.settings.key)
    left, back = one_of_equals(content, view.lake.groups.schema_of_table[pairs.child], wanted, reused)
    result = compare_here(content.plan.out_uri, buckets, left, is_bag=config.semantics == "bag")
    return Verified(pairs, result.counts.take(back))


def search_here(folder, config=None, *, n_tasks=2, out="hashes", **lake):
    """The whole search on the lake in `folder`/lake."""
    config, workspace = config or ContainmentConfig(), workspace_of(folder, **lake)
    view, staged = view_of(workspace, config)
    content = scan_here(view, config, workspace, ScanPlaces(staged, str(folder / out)), n_tasks)
    sketched = sketch(view, content, is_bag=config.semantics == "bag")
    verified = verify_here(view, content, sketched.unrefuted(), config)
    return Found(view, content, sketched, verified, outcome.edges(view, content, verified, config))


def true_pairs(tables, semantics="set"):
    """The pairs by brute force."""
    return contained_pairs({name: Leaves(table) for name, table in tables.items()}, semantics)

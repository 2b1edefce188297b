"""A small lake with its containments, and the retention stage on it in this process: the same functions, no Spark."""

import shutil

import pyarrow as pa

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.contract import CONTRACTS
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.retention.build import ROWS_FOLDER, decide
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.synthesis import synthesise
from lakebed.tasks.retention.stage import RETENTION
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.stage import StageMetrics
from tests.tasks.containment.lakes import METADATA_ONLY, search_here, workspace_of, write_lake

ROWS = 400
BASE = pa.table(
    {
        "id": pa.array([(row * 7919) % 100_003 for row in range(ROWS)], pa.int64()),
        "city": pa.array([f"city {row % 7} {row % 11}" for row in range(ROWS)]),
        "price": pa.array([row * 1.25 - 3 for row in range(ROWS)], pa.float64()),
    }
)
TABLES = {
    "sales/orders": BASE,
    "sales/orders_copy": BASE,
    "archive/a_longer_path/orders": BASE,
    "sales/cheap": BASE.slice(0, 100),
    "sales/ids": BASE.select(["id", "city"]).slice(10, 300),
    "hr/ids": BASE.select(["id", "city"]).slice(50, 200),
    "empty": BASE.slice(0, 0),
    "alone": pa.table({"nothing like it": [1, 2, 3]}),
}


def contained_lake(folder, tables=None):
    """Writes the tables, and publishes inventory and containment; the workspace and both references."""
    write_lake(folder / "lake", tables or TABLES)
    workspace = workspace_of(folder)
    inventory = run_stage(INVENTORY, Inputs.of(workspace, METADATA_ONLY))
    found = search_here(folder)
    stage = CONTAINMENT.open(Inputs.of(workspace, inventory, ContainmentConfig()))
    others = {name: contract.arrow_schema().empty_table() for name, contract in CONTRACTS.items() if name != "edges"}
    return workspace, inventory, stage.publish({"edges": found.edges, **others}, {}, StageMetrics())


def decide_here(lake, config=None, *, refuse=(), tried=None):
    """The stage's artifact; `refuse` are (child, parent) by name whose rebuild is said to differ.

    The (child, parents) of every rebuild that is tried are added to the list `tried`.
    """
    workspace, inventory, containment, *relations = lake
    workspace = without_memory(workspace) if refuse else workspace
    config = config or RetentionConfig()
    stage = RETENTION.open(Inputs.of(workspace, inventory, containment, config, *relations))
    context = RecipeContext.of(workspace, f"{stage.folder}/{ROWS_FOLDER}", ContainmentConfig(), config.recipes)

    def make(pairs):
        if tried is not None:
            tried.extend((pair.child.name, tuple(parent.name for parent in pair.parents)) for pair in pairs)
        return make_here(context, refuse, pairs)

    ref = decide(stage, config, context, make)
    return ArtifactStore(workspace.artifacts), ref


def without_memory(workspace):
    """The same workspace with artifacts of its own, where no rebuild was tried yet."""
    artifacts = f"{workspace.artifacts}-without-memory"
    shutil.copytree(workspace.artifacts, artifacts, ignore=shutil.ignore_patterns("retention"), dirs_exist_ok=True)
    shutil.rmtree(f"{artifacts}/retention", ignore_errors=True)
    return workspace.model_copy(update={"artifacts": artifacts})


def make_here(context, refuse, pairs):
    """Recipes of the pairs, in this process."""
    outcomes = [synthesise(context, pair.child, pair.parents, pair.columns) for pair in pairs]
    return [refused(one) if (one.child, one.parents[0]) in refuse else one for one in outcomes]


def refused(outcome):
    refusal = {"code": "differs_strictly", "reason": "the test says so"}
    return type(outcome).model_validate({**outcome.model_dump(), "recipe": None, "refusal": refusal})


def by_name(store, ref, table="decisions"):
    key = "name" if table in ("decisions", "baseline") else "child"
    return {row[key]: row for row in store.read(ref, table).to_pylist()}

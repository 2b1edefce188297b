"""The relations search in this process, on lakes of small tables: the same functions, but no workers."""

from dataclasses import dataclass, replace

import pyarrow as pa

from lakebed.tasks.containment import outcome as containment_outcome
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.evidence import table_facts
from lakebed.tasks.containment.scan import ScanPlaces
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.relations import outcome
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.evidence import Judge
from lakebed.tasks.relations.held import HeldHashes
from lakebed.tasks.relations.search import Setting, find_candidates, sample_lake, verify, view_relations
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from tests.tasks.containment.lakes import METADATA_ONLY, search_here, workspace_of
from tests.tasks.scan.here import HereEngine


@dataclass
class Related:
    """What the search found on a lake: the tables that would be published, and the steps."""

    view: object
    sampled: object
    candidates: object
    verified: object
    tables: dict
    edges: pa.Table

    def proven(self, kind, *, coincidental=None):
        """Rows of PROVEN of one kind."""
        rows = [row for row in self.tables["proven"].to_pylist() if row["kind"] == kind]
        return [row for row in rows if coincidental is None or row["coincidental"] == coincidental]

    def near(self):
        """Rows of NEAR by (child, parent)."""
        return {(row["child"], row["parent"]): row for row in self.tables["near"].to_pylist()}


def candidates_of(found, containment):
    """Containment's CANDIDATES."""
    return containment_outcome.candidates(found.view.lake, found.sketched, found.verified, containment.confidence)


def held_of(found, folder):
    """The row hashes that the containment search has written, as its artifact would tell of them."""
    plan, files = found.content.plan, {}
    for file in found.content.result.files:
        files.setdefault(file.bucket, []).append(file.path)
    stable = plan.tables.keys() - found.content.unstable.keys()
    places = {
        (plan.projections[number][0], table)
        for table in stable
        if not found.view.lake.is_reading[table]
        for number in plan.tables[table].projections
    }
    return HeldHashes(folder, plan.bucket_bits, files, frozenset(places))


def relate_here(folder, config=None, containment=None, *, engine=None, is_held=False, **lake):
    """Containment, then relations, on the lake in `folder`/lake; with `is_held` upon containment's row hashes."""
    config, containment = config or RelationsConfig(), containment or ContainmentConfig()
    found = search_here(folder, containment, **lake)
    workspace = workspace_of(folder, **lake)
    inventory = run_stage(INVENTORY, Inputs.of(workspace, METADATA_ONLY))
    store = ArtifactStore(workspace.artifacts)
    places = ScanPlaces(store.folder(inventory.stage, inventory.key), str(folder / "item_hashes"))
    setting = Setting(config, containment, workspace, places)
    engine = engine or HereEngine(1)
    view = view_relations(store, inventory, (found.edges, candidates_of(found, containment)), setting)
    if is_held:
        view = replace(view, held=held_of(found, found.content.plan.out_uri))
    sampled = sample_lake(view, setting, engine)
    candidates = find_candidates(view, sampled, setting)
    verified = verify(view, candidates, setting, engine).with_errors(sampled.costs.errors)
    judge = Judge(view, sampled, setting, table_facts(view.tables.tables, view.tables.files, {}, setting.key))
    return Related(view, sampled, candidates, verified, outcome.tables(judge, verified), found.edges)

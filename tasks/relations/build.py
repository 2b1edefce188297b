"""Building the relations artifact, step by step."""

from lakebed.connectors.storage import Storage, join_uri
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.evidence import table_facts
from lakebed.tasks.containment.scan import ScanPlaces
from lakebed.tasks.relations import outcome
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.evidence import Judge
from lakebed.tasks.relations.previous import KEPT, Known, load_known, save_counts, save_rows, save_values
from lakebed.tasks.relations.search import (
    RelationView,
    Sampled,
    Setting,
    Verified,
    find_candidates,
    sample_lake,
    verify,
    view_relations,
)
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.previous import count_readings
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.choice import engine_for_tables, reads_all
from lakebed.tasks.scan.splits import require_read

SCRATCH = "scratch"


def build_artifact(
    stage: Stage,
    workspace: Workspace,
    config: RelationsConfig,
    containment_config: ContainmentConfig,
) -> ArtifactRef:
    """Samples, proposes, hashes what was proposed, compares; then publishes. Inputs: inventory, containment.

    Raises: as the stage's `build`.
    """
    metrics = StageMetrics()
    inventory, containment = stage.inputs
    places = ScanPlaces(stage.store.folder(inventory.stage, inventory.key), join_uri(stage.folder, SCRATCH))
    setting = Setting(config, containment_config, workspace, places)
    with metrics.step("plan"), shown().step("Looking for unions, parts, renamed tables and near misses"):
        contained = (stage.read(containment, "edges"), stage.read(containment, "candidates"))
        view = view_relations(stage.store, inventory, contained, setting, containment)
    engine = engine_for_tables(workspace, view.tables)
    stage.is_whole = reads_all(engine, view.tables)
    with metrics.step("previous"):
        known = load_known(stage, view.readings)
    with metrics.step("sample") as cost:
        sampled = sample_lake(view, setting, engine, known)
        cost.bytes_read = sampled.costs.bytes_read
    with metrics.step("candidates"):
        found = find_candidates(view, sampled, setting)
    try:
        with metrics.step("proof") as cost:
            verified = verify(view, found, setting, engine, known)
            cost.bytes_read = verified.costs.bytes_read
    finally:
        Storage.at(stage.folder).delete_folder(SCRATCH)
    verified = verified.with_errors(sampled.costs.errors)
    metrics.changes = _changes(view, sampled, verified, known)
    if workspace.lake.strict:
        require_read(verified.unstable, view.lake.names)
    metrics.peak_worker_bytes = max(sampled.costs.peak_worker_bytes, verified.costs.peak_worker_bytes)
    with metrics.step("judge"):
        judge = Judge(view, sampled, setting, table_facts(view.tables.tables, view.tables.files, {}, setting.key))
        tables = outcome.tables(judge, verified)
    with shown().step("Publishing relations"):
        _keep(stage, view, sampled, verified)
        return stage.publish(tables, outcome.summary(tables, config.kinds), metrics, side_files=KEPT)


def _changes(view: RelationView, sampled: Sampled, verified: Verified, known: Known) -> dict[str, int]:
    names = [view.lake.names[table] for table in sampled.tables]
    counts = count_readings(len(known.tables), known.before, names)
    n_new = len(verified.keys) - verified.n_known
    return counts and {**counts, "comparisons_reused": verified.n_known, "comparisons_made": n_new}


def _keep(stage: Stage, view: RelationView, sampled: Sampled, verified: Verified) -> None:
    """Writes what the next run may reuse: of a table that changed meanwhile other rows were read than its files say."""
    storage, unstable, found = stage.store.storage, set(verified.unstable), verified.candidates
    held = {table: reading for table, reading in view.readings.digests.items() if table not in unstable}
    save_values(storage, stage.path, view.lake, sampled.columns, held)
    owners = [view.parts[item].table_id if item in view.parts else item for item in sampled.items.item.tolist()]
    rows = zip(sampled.row_keys, owners, strict=True)
    save_rows(storage, stage.path, sampled.items, [None if owner in unstable else key for key, owner in rows])
    members = [{pair.part.table_id, pair.parent} for pair in found.parts]
    members += [{pair.child, pair.parent} for pair in found.renamed]
    members += [{union.child, *union.parents} for union in found.unions]
    counts = zip(verified.keys, members, strict=True)
    keys = [None if tables & unstable else key for key, tables in counts]
    save_counts(storage, stage.path, keys, verified.pairs, verified.unions)

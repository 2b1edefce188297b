"""The lake graph's scan as one Spark job over splits, whatever the number of tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakebed.connectors.lake.read import Split
from lakebed.connectors.spark.session import shared_session
from lakebed.tasks.containment.scan import ScanPlan
from lakebed.tasks.containment.spark import DeltaSource, run_on_tables
from lakebed.tasks.inventory.splits import pack_splits
from lakebed.tasks.lakegraph.kernel.edge_list import EdgeList
from lakebed.tasks.lakegraph.kernel.samples import ValueSample, merge_samples
from lakebed.tasks.lakegraph.scan import EdgeTask, SampleTask, edge_part
from lakebed.tasks.runtime.workspace import Workspace

TASKS_PER_CORE = 3


@dataclass(frozen=True)
class Scanned:
    """What the workers brought.

    Attributes:
        samples: by table and token.
        edges: parts of an edge table.
        errors: tables that could not be read, with the reason.
    """

    samples: dict[tuple[int, str], ValueSample]
    edges: list[EdgeList]
    errors: dict[int, str]
    bytes_read: int
    peak_worker_bytes: int


def scan_on_spark(
    plan: ScanPlan,
    splits: Sequence[Split],
    sources: Sequence[DeltaSource],
    task: SampleTask | EdgeTask,
    workspace: Workspace,
) -> Scanned:
    """Reads everything planned once; starts no session where there is nothing to read."""
    if not splits and not sources:
        return Scanned({}, [], {}, 0, 0)
    session = shared_session(workspace.spark).get()
    tasks = pack_splits(splits, session.sparkContext.defaultParallelism * TASKS_PER_CORE)
    rows = run_on_tables(session, plan, tasks, sources, task.works())
    return gather(rows.to_pylist(), task)


def gather(rows: Sequence[dict[str, object]], task: SampleTask | EdgeTask) -> Scanned:
    """Puts the rows of all workers together; their order does not count."""
    parts: dict[tuple[int, str], list[ValueSample]] = {}
    edges: list[EdgeList] = []
    errors: dict[int, str] = {}
    n_bytes, peak = 0, 0
    for row in rows:
        kind, table_id, data = row["kind"], int(str(row["table_id"])), bytes(row["data"])  # type: ignore[call-overload]
        if kind == "sample":
            parts.setdefault((table_id, str(row["token"])), []).append(ValueSample.from_bytes(data))
        elif kind == "edges":
            edges.append(edge_part(data))
        elif kind == "error":
            errors[table_id] = str(row["text"])
        else:
            n_bytes, peak = n_bytes + int(str(row["n_bytes"])), max(peak, int(str(row["n"])))
    n_kept = task.n_kept if isinstance(task, SampleTask) else 1
    samples = {key: merge_samples(found, n_kept) for key, found in parts.items() if key[0] not in errors}
    return Scanned(samples, edges, errors, n_bytes, peak)

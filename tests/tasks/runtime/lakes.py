"""Artifact roots for tests of what runs leave: artifacts without Spark, records of runs."""

import hashlib

import pyarrow as pa

from lakebed.connectors.delta import write_table
from lakebed.tasks.runtime.artifacts import ArtifactStore, Manifest, TableEntry, TableFile
from lakebed.tasks.runtime.record import RECORD, RUNS, RunRecord, StageRecord

STAGES = ("inventory", "containment", "summary")


def key(number):
    return f"{number:064x}"


def publish(root, stage, number, inputs=()):
    """A whole artifact of one small table; one that is there already is taken as it is."""
    store = ArtifactStore(str(root))
    if (found := store.find(stage, key(number))) is not None:
        return found
    store.clear(stage, key(number))
    write_table(store.storage.uri(stage, key(number), "rows"), pa.table({"n": [number] * 10}))
    base = f"{stage}/{key(number)}/"
    files = tuple(
        TableFile(path=file.path.removeprefix(base), size=file.size) for file in store.storage.list_files(base[:-1])
    )
    entry = TableEntry(
        contract="rows", contract_version=1, digest="d", n_rows=10, n_bytes=1, n_files=1, writer="delta-rs", files=files
    )
    digest = hashlib.sha256(f"{stage} {number}".encode()).hexdigest()
    manifest = Manifest(
        stage=stage, key=key(number), digest=digest, version=1, inputs=tuple(inputs), tables={"rows": entry}
    )
    store.write_metrics(stage, key(number), {"seconds": 1.0})
    return store.write_manifest(manifest)


def record_run(root, run_id, refs, status="completed", **facts):
    """The record of a run that has ended, with a file beside it."""
    started = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T00:00:00+00:00"
    stages = [StageRecord.of(ref, {}, reused=False, seconds=1.0) for ref in refs]
    record = RunRecord(run_id=run_id, status=status, started_at=started, stages=stages, **facts)
    folder = root / RUNS / run_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text("a report")
    (folder / RECORD).write_text(record.model_dump_json())
    return record


def snapshot(root):
    """Every file below a folder, with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

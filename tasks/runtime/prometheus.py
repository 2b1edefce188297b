"""Figures of the last run in Prometheus's text format, for the node exporter's textfile collector."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.record import RUNS, RunRecord, list_runs

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

METRICS_FILE = "lakebed.prom"

Sample = tuple[dict[str, str], float]
# name, meaning, samples
Figure = tuple[str, str, list[Sample]]


def write_metrics(root: str, more: Sequence[Figure] = ()) -> str:
    """Writes `runs/lakebed.prom` with the figures of the runs and `more`, whole or not at all; returns its path."""
    storage = Storage.at(root)
    path = f"{RUNS}/{METRICS_FILE}"
    storage.write_bytes_atomic(path, metrics_text(list_runs(root), more).encode())
    return storage.uri(path)


def metrics_text(runs: Sequence[RunRecord], more: Sequence[Figure] = ()) -> str:
    """The figures of the newest run and `more`; `runs` are all of an artifact root, newest first."""
    from prometheus_client import generate_latest
    from prometheus_client.metrics_core import GaugeMetricFamily

    if not runs:
        return ""
    figures = _Figures()
    for name, meaning, samples in (*_of_run(runs[0]), *_of_all(runs), *_of_stages(runs[0]), *more):
        figure = GaugeMetricFamily(name, meaning, labels=list(samples[0][0]) if samples else [])
        for labels, value in samples:
            figure.add_metric(list(labels.values()), value)
        figures.append(figure)
    return generate_latest(figures).decode()


class _Figures(list["Metric"]):
    """What the library collects; no registry of the process, which others may serve, holds it."""

    def collect(self) -> "list[Metric]":
        return self


def _of_run(run: RunRecord) -> Iterator[Figure]:
    about = {"run_id": run.run_id, "status": run.status, "version": run.versions.get("lakebed", "")}
    yield "lakebed_run_info", "The newest run, in the labels.", [(about, 1)]
    is_good = float(run.status == "completed")
    yield "lakebed_run_success", "Whether the newest run completed.", [({}, is_good)]
    yield "lakebed_run_start_timestamp_seconds", "When it started.", [({}, _seconds(run.started_at))]
    yield "lakebed_run_duration_seconds", "How long it took; 0 where it was killed.", [({}, run.total_s)]
    yield "lakebed_run_peak_memory_bytes", "Peak memory of the driver, JVM included.", [({}, run.peak_driver_bytes)]
    yield "lakebed_run_spark_start_seconds", "Start of the Spark session.", [({}, run.session_start_s)]
    yield "lakebed_run_prefect_start_seconds", "Start of Prefect's own server.", [({}, run.prefect_start_s)]


def _of_all(runs: Sequence[RunRecord]) -> Iterator[Figure]:
    good = next((_seconds(run.finished_at) for run in runs if run.status == "completed"), 0.0)
    yield "lakebed_last_success_timestamp_seconds", "When a run last completed; 0 if none has.", [({}, good)]
    states = ("running", "completed", "failed", "dead")
    counts: list[Sample] = [({"status": one}, sum(run.status == one for run in runs)) for one in states]
    yield "lakebed_runs", "Runs kept on this artifact root.", counts


def _of_stages(run: RunRecord) -> Iterator[Figure]:
    figures = (
        ("lakebed_stage_duration_seconds", "How long the stage took.", "seconds"),
        ("lakebed_stage_rows", "Rows of its artifact.", "rows"),
        ("lakebed_stage_read_bytes", "Bytes of the lake that it read.", "bytes_read"),
        ("lakebed_stage_written_bytes", "Bytes of the artifact that it wrote.", "bytes_written"),
        ("lakebed_stage_reused", "Whether its artifact was there already.", "reused"),
        ("lakebed_stage_peak_driver_memory_bytes", "Peak memory of the driver.", "peak_driver_bytes"),
        ("lakebed_stage_peak_worker_memory_bytes", "Peak memory of a Python worker.", "peak_worker_bytes"),
    )
    for name, meaning, field in figures:
        yield name, meaning, [({"stage": one.stage}, float(getattr(one, field))) for one in run.stages]


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp() if instant else 0.0

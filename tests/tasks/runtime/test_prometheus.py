from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from lakebed.tasks.runtime.prometheus import metrics_text, write_metrics
from lakebed.tasks.runtime.record import StageRecord
from tests.tasks.runtime.test_record import METRICS, REF, begin


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_of_the_newest_run(tmp_path):
    old = begin(tmp_path, "20260101T000000-aaaaaa")
    old.finish("completed")
    new = begin(tmp_path, "20260102T000000-bbbbbb")
    new.add_stage(StageRecord.of(REF, METRICS, reused=False, seconds=2.5))
    new.finish("failed", {"error": "x"})
    text = Path(write_metrics(str(tmp_path))).read_text()
    found = samples(text)
    assert found["lakebed_run_success",] == 0
    assert found["lakebed_runs", ("status", "completed")] == 1
    assert found["lakebed_runs", ("status", "failed")] == 1
    assert found["lakebed_stage_duration_seconds", ("stage", "inventory")] == 2.5
    assert found["lakebed_stage_read_bytes", ("stage", "inventory")] == 100
    assert found["lakebed_last_success_timestamp_seconds",] > 1.7e9
    assert (tmp_path / "runs" / "lakebed.prom").read_text() == text


def test_labels_are_escaped(tmp_path):
    log = begin(tmp_path, 'r"1\\')
    log.record.versions = {"lakebed": 'a"b\\c\nd'}
    info = [name for name in samples(metrics_text([log.record])) if name[0] == "lakebed_run_info"]
    assert ("version", 'a"b\\c\nd') in info[0] and ("run_id", 'r"1\\') in info[0]


def test_without_a_run_there_is_nothing():
    assert metrics_text([]) == ""

from lakebed.tasks.retention.task import build_retention
from lakebed.tasks.runtime.transient import is_transient


def test_only_transient_errors_are_tried_again():
    assert build_retention.retries == 2
    assert build_retention.retry_condition_fn is is_transient

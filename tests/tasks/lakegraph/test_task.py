from lakebed.tasks.lakegraph.task import build_lakegraph


def test_only_transient_errors_are_tried_again():
    assert build_lakegraph.retries == 2
    assert build_lakegraph.name == "lakegraph"

from lakebed.tasks.index.task import build_index


def test_only_transient_errors_are_tried_again():
    assert build_index.retries == 2
    assert build_index.name == "index"

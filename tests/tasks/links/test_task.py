from lakebed.connectors.errors import StageError
from lakebed.tasks.links.task import build_links
from lakebed.tasks.runtime.transient import is_transient


def test_only_transient_errors_are_tried_again():
    assert build_links.name == "links"
    assert build_links.retries == 2
    assert build_links.retry_condition_fn is is_transient
    assert build_links.cache_policy.compute_key(None, {}, {}) is None


def test_a_missing_package_is_no_transient_error():
    class State:
        @staticmethod
        def result():
            raise StageError("torch is missing")

    assert not is_transient(None, None, State())

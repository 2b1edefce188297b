import contextlib

import pytest

from lakebed import plain
from lakebed.connectors.errors import SourceError, StageError, Transient
from lakebed.plain import run_plain
from lakebed.run import uses_prefect


class Scope:
    """What `run_plain` asks of a scope."""

    refs, workspace, config = {}, None, None

    def __init__(self):
        self.seen = []

    def settle(self):
        self.seen.append("settled")

    def require_lake_suites(self):
        self.seen.append("suites")

    def stage(self, name):
        self.seen.append(f"in {name}")
        return contextlib.nullcontext()

    def done(self, ref, seconds):
        self.seen.append(ref)


class Link:
    def __init__(self, name, *answers, reads_lake_rows=False):
        self.name, self.answers, self.reads_lake_rows = name, list(answers), reads_lake_rows

    def run(self, *_):
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Flaky(SourceError, Transient):
    pass


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(plain, "RETRY_DELAY_S", 0.0)


def test_links_run_in_order_and_suites_are_waited_for_before_the_lake_is_read():
    scope = Scope()
    run_plain(scope, [Link("inventory", "a"), Link("containment", "b", reads_lake_rows=True)])
    assert scope.seen == ["settled", "in inventory", "a", "suites", "in containment", "b"]


def test_a_transient_error_is_tried_again_twice_and_no_other():
    scope = Scope()
    run_plain(scope, [Link("inventory", Flaky("x"), Flaky("x"), "a")])
    assert scope.seen == ["settled", "in inventory", "a"]
    with pytest.raises(Flaky):
        run_plain(scope, [Link("inventory", *[Flaky("x")] * 3, "a")])
    with pytest.raises(SourceError):
        run_plain(scope, [Link("inventory", SourceError("x"), "a")])


def test_what_spark_raises_is_typed():
    from pyspark.errors import PythonException

    with pytest.raises(StageError, match="a Spark job failed"):
        run_plain(Scope(), [Link("inventory", PythonException("java.lang.SomeError: it ended"))])
    with pytest.raises(ZeroDivisionError):
        run_plain(Scope(), [Link("inventory", ZeroDivisionError())])


def test_only_an_application_of_spark_submit_without_a_server_does_without_prefect(monkeypatch, tmp_path):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert uses_prefect()
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert not uses_prefect()
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    assert uses_prefect()

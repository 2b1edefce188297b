"""How far a run is, as the server is told."""

import pytest

from lakebed.tasks.runtime.progress import Progress

pytestmark = pytest.mark.flow


def server_progress(*names):
    from lakebed.flows.run_progress import ServerProgress

    return ServerProgress(Progress(is_quiet=True), names, "lakebed-progress-x")


def test_stages_count_alike_and_a_step_counts_within_its_stage():
    progress = server_progress("inventory", "containment")
    assert progress.state() == (0.0, "stage inventory, 1 of 2")
    with progress.stage("inventory"), progress.step("Reading footers", 4) as step:
        step.advance(2)
        assert progress.state() == (25.0, "stage inventory, 1 of 2: Reading footers 2 of 4")
        with progress.step("Inside"):
            assert progress.state() == (25.0, "stage inventory, 1 of 2: Inside")
        step.advance(2)
        assert progress.state()[0] < 50.0
    with progress.stage("containment"):
        assert progress.state() == (50.0, "stage containment, 2 of 2")
    assert progress.state() == (100.0, "2 stages done")


def test_stages_side_by_side_count_together_and_one_that_fails_is_told():
    progress = server_progress("relations", "lakegraph", "keys", "summary")
    with pytest.raises(ValueError, match="broken"), progress.stage("relations"), progress.step("Comparing", 2) as one:
        one.advance()
        with progress.stage("lakegraph"), progress.step("Reading", 4) as other:
            other.advance(2)
            percent, told = progress.state()
            assert percent == 25.0
            assert told == "stage relations and lakegraph, 2 of 4: Comparing 1 of 2; Reading 2 of 4"
        raise ValueError("broken")
    assert progress.state() == (37.5, "stage relations, 2 of 4")


def test_it_never_goes_back_within_a_stage():
    progress = server_progress("inventory")
    with progress.stage("inventory"):
        with progress.step("One", 2) as step:
            step.advance()
            first = progress.state()[0]
        with progress.step("Two", 100):
            assert progress.state()[0] == first


def test_steps_and_notes_reach_the_other_progress():
    import io

    from lakebed.flows.run_progress import ServerProgress

    out = io.StringIO()
    progress = ServerProgress(Progress(out), ("inventory",), "lakebed-progress-x")
    with progress.step("Reading", 3):
        progress.note("a note")
    assert "a note" in out.getvalue() and "Reading 3 of 3" in out.getvalue()


def test_a_server_that_does_not_answer_costs_the_run_nothing(monkeypatch):
    import lakebed.flows.run_progress as module

    def gone(*_, **__):
        raise ConnectionError("gone")

    monkeypatch.setattr(module, "create_progress_artifact", gone)
    with server_progress("inventory").running() as progress, progress.stage("inventory"):
        pass
    assert progress.state()[0] == 100.0


def test_what_the_server_is_told_ends_at_the_end(monkeypatch):
    import lakebed.flows.run_progress as module

    told = []
    monkeypatch.setattr(module, "UPDATE_S", 0.01)
    monkeypatch.setattr(module, "create_progress_artifact", lambda *_, **__: "id")
    monkeypatch.setattr(module, "update_progress_artifact", lambda *given: told.append(given))
    with server_progress("inventory", "containment").running() as progress, progress.stage("inventory"):
        pass
    assert told[-1] == ("id", 100.0, "2 stages done")
    with pytest.raises(ValueError, match="broken"), server_progress("inventory").running():
        raise ValueError("broken")
    assert told[-1][1] < 100.0


def test_the_run_log_has_steps_that_took_long(monkeypatch):
    import lakebed.flows.run_progress as module

    lines = []

    class Logger:
        def info(self, text, *arguments):
            lines.append(text % arguments)

    progress = module.RunLogProgress(Logger())
    with progress.step("Short"):
        pass
    monkeypatch.setattr(module, "_LOGGED_FROM_S", 0.0)
    with progress.step("Long", 2):
        pass
    progress.note("100 % sure")
    assert [line.split(" (")[0] for line in lines] == ["Long 2 of 2", "100 % sure"]

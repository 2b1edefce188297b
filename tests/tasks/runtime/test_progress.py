import io
import sys
import threading

import pytest

from lakebed.tasks.runtime.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_piped_steps_leave_one_plain_line():
    stream = io.StringIO()
    with Progress(stream).step("Reading footers", total=3) as step:
        step.advance(2)
        step.advance()
    assert stream.getvalue().startswith("Reading footers 3 of 3 (")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_a_short_step_on_a_terminal_is_one_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Progress(stream).step("Quick"):
        pass
    assert stream.getvalue().count("\n") == 1


def test_a_long_step_on_a_terminal_shows_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Progress(stream).step("Slow", total=2) as step:
        step.advance()
        threading.Event().wait(1.4)
    assert "1/2" in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("s)")


def test_a_failed_step_says_so_and_raises():
    stream = io.StringIO()
    with pytest.raises(ValueError, match="boom"), Progress(stream).step("Work [x]"):
        raise ValueError("boom")
    assert stream.getvalue().startswith("failed: Work [x] (")


def test_threads_may_advance():
    stream = io.StringIO()
    with Progress(stream).step("Count") as step:
        threads = [threading.Thread(target=lambda: [step.advance() for _ in range(1000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert "4,000" in stream.getvalue()


def test_the_default_is_standard_error_and_quiet_is_quiet(capsys):
    with Progress().step("Seen"):
        pass
    with Progress(sys.stderr, is_quiet=True).step("Unseen"):
        pass
    out, err = capsys.readouterr()
    assert out == ""
    assert "Seen" in err
    assert "Unseen" not in err

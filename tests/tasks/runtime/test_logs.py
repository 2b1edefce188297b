import io
import json
import logging
from datetime import datetime

import pytest

from lakebed.tasks.runtime.config import LoggingConfig
from lakebed.tasks.runtime.logs import EventLog, configure, log, redact_logging
from lakebed.tasks.runtime.progress import shown

KEYS = {"time", "level", "run_id", "stage", "event", "fields"}


@pytest.fixture(autouse=True)
def _as_before():
    yield
    configure(LoggingConfig(level="error"), io.StringIO())


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def structured(**config):
    stream = io.StringIO()
    return configure(LoggingConfig(format="json", **config), stream), stream


def test_one_object_a_line_with_the_same_keys_each():
    told, stream = structured()
    told.run_id = "r1"
    told.event("run_started", lake="/data")
    with told.within("inventory"):
        shown().note("warning: something\nelse")
        with shown().step("Reading", 3) as step:
            step.advance(2)
    with pytest.raises(ValueError, match="oh"), shown().step("Failing"):
        raise ValueError("oh")
    found = lines(stream)
    assert all(one.keys() == KEYS and one["run_id"] == "r1" for one in found)
    assert [(one["event"], one["level"], one["stage"]) for one in found] == [
        ("run_started", "info", ""),
        ("note", "warning", "inventory"),
        ("step_finished", "info", "inventory"),
        ("step_failed", "warning", ""),
    ]
    assert found[1]["fields"] == {"message": "something\nelse"}
    assert found[2]["fields"]["n_done"] == 3
    assert all(datetime.fromisoformat(one["time"]).utcoffset() is not None for one in found)


@pytest.mark.parametrize(
    ("level", "seen"),
    [("debug", "dbg inf war err"), ("info", "inf war err"), ("warning", "war err"), ("error", "err")],
)
def test_levels(level, seen):
    told, stream = structured(level=level)
    for event, at in (("dbg", "debug"), ("inf", "info"), ("war", "warning"), ("err", "error")):
        told.event(event, at)
    assert " ".join(one["event"] for one in lines(stream)) == seen


def test_secrets_and_odd_values_are_fit_to_print(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "planted-secret")
    told, stream = structured()
    told.event("x", url="s3://a:hunter2-w@b", nested={"password": "hunter2-v"}, path={1: object}, said="planted-secret")
    text = stream.getvalue()
    assert "hunter2" not in text and "planted-secret" not in text
    assert len(lines(stream)) == 1


def test_records_of_logging_become_events():
    _, stream = structured()
    try:
        raise ValueError("postgresql://u:hunter2-w@h")
    except ValueError:
        logging.getLogger("somebody").exception("it %s", "failed")
    logging.getLogger("somebody").debug("not shown")
    (one,) = lines(stream)
    assert (one["event"], one["level"]) == ("log", "error")
    assert one["fields"]["logger"] == "somebody" and one["fields"]["message"] == "it failed"
    assert "ValueError" in one["fields"]["traceback"] and "hunter2" not in stream.getvalue()


def test_what_others_log_wrongly_is_one_object_too(capsys):
    told, stream = structured()
    told.handle(logging.LogRecord("somebody", logging.WARNING, "", 0, "%d of %d", ("one",), None))
    (one,) = lines(stream)
    assert (one["event"], one["fields"]["message"]) == ("log", "%d of %d ('one',)")
    assert capsys.readouterr() == ("", "")


def test_text_is_what_it_always_was():
    stream = io.StringIO()
    configure(LoggingConfig(), stream)
    shown().note("a note")
    with shown().step("Reading", 2):
        pass
    log().event("run_started")
    assert stream.getvalue().splitlines()[0] == "a note"
    assert stream.getvalue().splitlines()[1].startswith("Reading 2 of 2 (")
    assert len(stream.getvalue().splitlines()) == 2
    assert not logging.getLogger().handlers or "EventLog" not in str(logging.getLogger().handlers)


@pytest.mark.parametrize(("level", "seen"), [("warning", ["warning: one"]), ("error", [])])
def test_text_by_level(level, seen):
    stream = io.StringIO()
    configure(LoggingConfig(level=level), stream)
    shown().note("warning: one")
    shown().note("a note")
    with shown().step("Reading"):
        pass
    assert stream.getvalue().splitlines() == seen


def test_notes_carry_no_secret_and_no_control_characters():
    stream = io.StringIO()
    configure(LoggingConfig(), stream)
    shown().note("table \x1b[2Jevil\nname, s3://a:hunter2-w@b")
    assert "\x1b" not in stream.getvalue() and "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_a_log_that_is_off_writes_nothing():
    stream = io.StringIO()
    EventLog(None, stream).event("x", "error")
    EventLog(LoggingConfig(), stream).event("x", "error")
    assert stream.getvalue() == ""


def test_what_others_log_loses_its_secrets_message_and_traceback():
    before = logging.getLogRecordFactory()
    stream = io.StringIO()
    handler, logger = logging.StreamHandler(stream), logging.getLogger("prefect.somebody")
    logger.addHandler(handler)
    try:
        redact_logging()
        redact_logging()
        try:
            raise ValueError("postgresql://u:hunter2-w@h said no")
        except ValueError:
            logger.exception("it failed at %s", "s3://k:hunter2-v@b")
        logger.error("plain %d", 1)
    finally:
        logger.removeHandler(handler)
        logging.setLogRecordFactory(before)
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "it failed at s3://k:***@b" in text and "Traceback" in text and "said no" in text and "plain 1" in text

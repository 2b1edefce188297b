"""Structured logs: one JSON object a line on standard error, on demand; without that, people read progress as ever.

A line has `time` (UTC), `level`, `run_id`, `stage` (both empty where there is none), `event`, and its `fields`. Secrets
are taken out of every line. Records of Python's own `logging`, such as Prefect's, become events named `log`. One
formatter of `logging` writes them all.
"""

import contextlib
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from lakebed.connectors.redaction import redacted, redacted_value
from lakebed.tasks.runtime.progress import Progress, Step, show

if TYPE_CHECKING:
    from lakebed.tasks.runtime.config import LoggingConfig, LogLevel

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_STEP_EVERY_S = 10.0
_WARNING = "warning: "
# read by connectors/spark/log4j2.properties in the JVM that a session starts
_OF_SPARK = "LAKEBED_SPARK_LOGS"
# the stage that a thread, and those that have a copy of its context, work for
working_stage: ContextVar[str] = ContextVar("working_stage", default="")


class EventLog(logging.Handler):
    """Writes events, and what `logging` hands it, as lines of JSON; one that is off writes nothing."""

    def __init__(self, config: "LoggingConfig | None" = None, stream: TextIO | None = None) -> None:
        super().__init__(_LEVELS[config.level] if config else logging.CRITICAL)
        self.is_on = config is not None and config.format == "json"
        self.run_id = ""
        self._stages: list[str] = []
        self._stream = stream
        self.setFormatter(_JsonFormatter(self))

    def event(self, event: str, level: "LogLevel" = "info", **fields: Any) -> None:
        """One line; values that are no JSON are written as text."""
        if self.is_on and _LEVELS[level] >= self.level:
            facts = {"levelno": _LEVELS[level], "lakebed_event": event, "lakebed_fields": fields}
            self.handle(logging.makeLogRecord(facts))

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        try:
            stream = self._stream or sys.stderr
            stream.write(self.format(record) + "\n")
            stream.flush()
        except Exception:
            self.handleError(record)

    @contextlib.contextmanager
    def within(self, stage: str) -> Iterator[None]:
        """Events of this thread belong to this stage meanwhile; of others where no second stage works beside it."""
        self._stages.append(stage)
        token = working_stage.set(stage)
        try:
            yield
        finally:
            working_stage.reset(token)
            self._stages.remove(stage)

    @property
    def stage(self) -> str:
        """The stage that this thread works for, where that is known."""
        return working_stage.get() or (self._stages[0] if len(self._stages) == 1 else "")


class WarningsOnly(Progress):
    """Shows no step, and of the notes only warnings."""

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        """See `Progress.step`."""
        yield Step(name, total)

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        if text.startswith(_WARNING):
            super().note(text)


class EventProgress(Progress):
    """Steps and notes as events: no bars."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(is_quiet=True)
        self._log = log

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        """See `Progress.step`: events `step_started`, `step_going_on` every ten seconds, `step_finished`."""
        step, begun, is_over = Step(name, total), time.perf_counter(), threading.Event()
        self._log.event("step_started", "debug", step=name, total=total)
        watcher = threading.Thread(target=copy_context().run, args=(self._watch, step, begun, is_over), daemon=True)
        watcher.start()
        ending = "step_failed"
        try:
            yield step
            ending = "step_finished"
            step.n_done = step.n_done if total is None else total
        finally:
            is_over.set()
            watcher.join()
            self._tell(ending, step, begun, "info" if ending == "step_finished" else "warning")

    def note(self, text: str) -> None:
        """One event."""
        level: LogLevel = "warning" if text.startswith(_WARNING) else "info"
        self._log.event("note", level, message=text.removeprefix(_WARNING))

    def _watch(self, step: Step, begun: float, is_over: threading.Event) -> None:
        while not is_over.wait(_STEP_EVERY_S):
            self._tell("step_going_on", step, begun, "info")

    def _tell(self, event: str, step: Step, begun: float, level: "LogLevel") -> None:
        seconds = round(time.perf_counter() - begun, 3)
        self._log.event(event, level, step=step.name, n_done=step.n_done, total=step.total, seconds=seconds)


class _JsonFormatter(logging.Formatter):
    """One object per record; a record that is no event of ours becomes one named `log`."""

    def __init__(self, log: EventLog) -> None:
        super().__init__()
        self._log = log

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        fields = getattr(record, "lakebed_fields", None)
        if fields is None:
            fields = {"logger": record.name, "message": _message(record)}
            if record.exc_info and record.exc_info[1] is not None:
                fields["traceback"] = self.formatException(record.exc_info)
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": _level_of(record.levelno),
            "run_id": self._log.run_id,
            "stage": self._log.stage,
            "event": getattr(record, "lakebed_event", "log"),
            "fields": redacted_value(json.loads(json.dumps(fields, default=str))),
        }
        return json.dumps(facts)


class _Redacting:
    """A factory of records without secrets."""

    made: "_Redacting | None" = None

    def __init__(self, before: Callable[..., logging.LogRecord]) -> None:
        self._before = before

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._before(*args, **kwargs)
        _clean(record)
        return record


def _level_of(number: int) -> "LogLevel":
    levels: tuple[LogLevel, ...] = ("error", "warning", "info")
    return next((name for name in levels if number >= _LEVELS[name]), "debug")


def _message(record: logging.LogRecord) -> str:
    """Also where the arguments do not fit the text."""
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return f"{record.msg} {record.args}"


def _clean(record: logging.LogRecord) -> None:
    text = _message(record)
    if (clean := redacted(text)) != text:
        record.msg, record.args = clean, None
    if record.exc_info and record.exc_info[1] is not None:
        trace = "".join(traceback.format_exception(record.exc_info[1]))
        # what stands there already, no formatter writes anew
        record.exc_text = redacted(trace).rstrip("\n")


_current = [EventLog()]


def log() -> EventLog:
    """The log of this process."""
    return _current[0]


def redact_logging() -> None:
    """Takes secrets out of what anybody logs through `logging` in this process, Prefect above all."""
    before = logging.getLogRecordFactory()
    if before is not _Redacting.made:
        _Redacting.made = _Redacting(before)
        logging.setLogRecordFactory(_Redacting.made)


def configure(config: "LoggingConfig", stream: TextIO | None = None) -> EventLog:
    """Makes logs and progress of this process as the config says, and those of a JVM that it starts from now on."""
    os.environ[_OF_SPARK] = config.format
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, EventLog)]:
        root.removeHandler(handler)
    log = _current[0] = EventLog(config, stream)
    if log.is_on:
        root.addHandler(log)
        show(EventProgress(log))
    else:
        quiet = {"warning": WarningsOnly(stream), "error": Progress(stream, is_quiet=True)}
        show(quiet.get(config.level) or Progress(stream))
    return log

"""What a failed Spark job raises, as a typed error."""

import re
import traceback

from lakebed.connectors import errors
from lakebed.connectors.errors import ConfigError, LakeError, SparkLostError, StageError

# the reason of jobs that are ended since a cluster has no executor left
NONE_ALIVE = "no executor is alive"
_GATEWAY = ("py4j.", "pyspark.")
# the text of an error of ours, at the end of a worker's traceback
_OURS = re.compile(r"^lakebed\.connectors\.errors\.(\w+): (.+)$((?:\n +(?:found|expected|next): +.*$)*)", re.MULTILINE)
_FACT = re.compile(r"^ +(found|expected|next): +(.*)$", re.MULTILINE)
_CAUSE = re.compile(r"^(?:: |Caused by: )?([\w.]+(?:Error|Exception|Killed)\b.*)$", re.MULTILINE)
# what is lost comes again: executors by themselves, a local JVM with the next session
_LOST = re.compile(
    r"ExecutorLost|ExecutorDeadException|Executor heartbeat timed out|SparkContext was shut down|" + NONE_ALIVE
)
_MAX_TEXT = 300
# of a Connect server; its default is all that PySpark's client sends and takes
MESSAGE_LIMIT, MESSAGE_BYTES = "spark.connect.grpc.maxInboundMessageSize", 128 << 20
# gRPC's words, of the server and of the client
_TOO_LARGE = re.compile(r"RESOURCE_EXHAUSTED|[Mm]essage (exceeds maximum size|larger than max)")


def typed_failure(error: BaseException) -> LakeError | None:
    """The typed form of what Spark, one of its workers or the way to its JVM raised; None for any other error.

    An error of ours that a worker raised comes back as what it was: Spark hands it on as text only.
    """
    if isinstance(error, LakeError) or not _is_of_spark(error):
        return None
    text = str(error).strip() or type(error).__name__
    if found := _OURS.findall(text):
        return _ours(*found[-1])
    if _TOO_LARGE.search(text):
        return too_large(root_cause(error))
    kind = SparkLostError if is_way_lost(error) or _LOST.search(text) else StageError
    return kind(
        "a Spark job failed",
        value=root_cause(error),
        expected="a JVM and workers that live until the stage is done",
        hint="run the same command again: finished stages are kept; `lakebed doctor --spark` checks memory and Java",
    )


def too_large(found: str) -> LakeError:
    """The error of a job whose message the server does not take."""
    return ConfigError(
        "a job is too large to be sent through Spark Connect",
        value=found,
        expected=f"a message of at most {MESSAGE_BYTES:,} bytes, or what {MESSAGE_LIMIT} of the server says",
        hint="another master: spark://host:port, yarn or k8s://…; or raise the stage's `local_max` setting, if the "
        "memory of this machine is enough",
    )


def root_cause(error: BaseException) -> str:
    """The innermost cause that Spark's text names, or its last line; at most 300 characters."""
    text = str(error).strip() or type(error).__name__
    return str((_CAUSE.findall(text) or text.splitlines())[-1])[:_MAX_TEXT]


def _is_of_spark(error: BaseException) -> bool:
    """Raised by PySpark or Py4J, or below them, as when the JVM has gone and its socket with it."""
    if type(error).__module__.startswith(_GATEWAY):
        return True
    frames = traceback.walk_tb(error.__traceback__)
    is_lost = isinstance(error, ConnectionError | EOFError)
    return is_lost and any(str(frame.f_globals.get("__name__", "")).startswith(_GATEWAY) for frame, _ in frames)


def is_way_lost(error: BaseException) -> bool:
    """Whether the JVM no longer answers.

    Py4J says so by an error of its base class alone, with one line about a call; an exception of Java's comes as a
    subclass or with a trace, and what the JVM has not got by another line.
    """
    name, text = type(error).__name__, str(error).strip()
    is_bare = name == "Py4JError" and text.startswith("An error occurred while calling") and "\n" not in text
    return isinstance(error, ConnectionError | EOFError) or name == "Py4JNetworkError" or is_bare


def _ours(name: str, what: str, facts: str) -> LakeError:
    kind = getattr(errors, name, StageError)
    if not (isinstance(kind, type) and issubclass(kind, LakeError)):
        kind = StageError
    named = dict(_FACT.findall(facts))
    return kind(what, value=named.get("found"), expected=named.get("expected", ""), hint=named.get("next", ""))

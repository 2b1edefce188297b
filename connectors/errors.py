"""The errors of lakebed.

LakeError                   exit code 1
├── ConfigError             2   a config key or value, a path given on the command line
├── SourceError             1   a table or lake that cannot be read
│   └── SourceBusyError     1   its object store does not answer, or asks to slow down; transient
├── ContractError           3   an artifact that breaks its contract
├── ArtifactError           1   an artifact that is missing, damaged or cannot be written
│   ├── LeaseError          1   another run holds the artifact root
│   └── StoreBusyError      1   its object store does not answer, or asks to slow down; transient
├── StageError              1   a stage that cannot do its work
│   ├── SparkLostError      1   Spark's JVM or an executor is gone; transient
│   └── WorkerLostError     1   a worker process of the local engine is gone, as when it is killed
├── PlanError               4   a plan that is refused
└── GraphError              1   a graph that cannot be used

Transient                   mixin: trying again may help; `tasks/runtime/retry.py` says how often
"""

from collections.abc import Sequence

from lakebed.connectors.redaction import redacted

MAX_EXAMPLES = 5


class LakeError(Exception):
    """What went wrong, the value, what was expected, and the command to run next.

    At most five examples are shown; the rest belongs in the report. Secrets are taken out of all that is shown, and
    control characters are shown as escapes, so that a table's name can neither steer a terminal nor add a line.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        value: object = None,
        expected: str = "",
        hint: str = "",
        examples: Sequence[object] = (),
    ) -> None:
        self.what = what
        self.value = value
        self.expected = expected
        self.hint = hint
        self.examples = tuple(examples)
        super().__init__(what)

    def __str__(self) -> str:
        """The message, one fact a line."""
        return "\n".join(visible(redacted(line)) for line in self._lines())

    def as_dict(self) -> dict[str, object]:
        """The same facts for `--json`."""
        return {
            "error": type(self).__name__,
            "what": redacted(self.what),
            "value": None if self.value is None else redacted(str(self.value)),
            "expected": redacted(self.expected),
            "hint": redacted(self.hint),
            "examples": [redacted(str(example)) for example in self.examples[:MAX_EXAMPLES]],
        }

    def _lines(self) -> list[str]:
        lines = [self.what]
        if self.value is not None:
            lines.append(f"  found:    {self.value}")
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        lines += [f"  example:  {example}" for example in self.examples[:MAX_EXAMPLES]]
        if len(self.examples) > MAX_EXAMPLES:
            lines.append(f"  … and {len(self.examples) - MAX_EXAMPLES} more, listed in the report")
        if self.hint:
            lines.append(f"  next:     {self.hint}")
        return lines


def visible(text: str) -> str:
    """The text on one line, with control characters shown as escapes."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def first_line(error: BaseException) -> str:
    """What an error says first, or its kind where it says nothing; at most 300 characters."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


class Transient(Exception):
    """Mixin of errors that may go away when the same call is made again."""


class ConfigError(LakeError):
    """A config key or value, or a path given on the command line, is wrong."""

    exit_code = 2


class SourceError(LakeError):
    """A table or a lake cannot be read."""


class SourceBusyError(SourceError, Transient):
    """The object store of a lake does not answer, or asks to slow down."""


class ContractError(LakeError):
    """An artifact breaks its contract."""

    exit_code = 3


class ArtifactError(LakeError):
    """An artifact is missing, damaged, or cannot be written."""


class LeaseError(ArtifactError):
    """Another run holds the artifact root."""


class StoreBusyError(ArtifactError, Transient):
    """The object store of an artifact root does not answer, or asks to slow down."""


class StageError(LakeError):
    """A stage cannot do its work."""


class SparkLostError(StageError, Transient):
    """Spark's JVM, the way to it, or an executor is gone."""


class WorkerLostError(StageError):
    """A worker process of the local engine is gone: killed, or ended by a library that gave up."""


class PlanError(LakeError):
    """A plan is refused."""

    exit_code = 4


class GraphError(LakeError):
    """A graph cannot be used."""

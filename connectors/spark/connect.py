"""Sessions of Spark Connect: a client that knows the DataFrame API, and no JVM behind it.

Code travels as an artifact of the session. What the JVM alone can tell (executors that are lost, memory) is not asked.
"""

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pyarrow as pa

from lakebed.connectors.errors import ConfigError, StageError
from lakebed.connectors.extras import extra_hint
from lakebed.connectors.spark.config import REMOTE, REMOTE_VARIABLE, SparkConfig
from lakebed.connectors.spark.failures import MESSAGE_BYTES, root_cause, too_large
from lakebed.connectors.spark.masters import require_master

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

Given = TypeVar("Given")
Made = TypeVar("Made")
Batches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
_PYTHON = "spark.sql.execution.pyspark.python"
# what a client may set, of what has another name where a session has a JVM
_NAMES = {"spark.pyspark.python": _PYTHON}
_FILES = "spark.archives"
# of a message, what is not our function
_REST_BYTES = 1 << 20
# read by PySpark
_MODE = "SPARK_CONNECT_MODE_ENABLED"


def is_connect(session: "SparkSession") -> bool:
    """Whether the session is a client of Spark Connect."""
    return type(session).__module__.startswith("pyspark.sql.connect.")


def connect(config: SparkConfig, pins: dict[str, str], code: "Callable[[], Path]") -> "SparkSession":
    """The session at a server, with lakebed's code.

    Args:
        config: whose master is `sc://host:port`; what `SPARK_REMOTE` says beside it, such as a token, is taken too.
        pins: settings that decide results.
        code: writes lakebed's zip.

    Raises:
        ConfigError: if nobody listens there, packages are missing, or a setting is none that a client may choose.
        StageError: if the server refuses.
    """
    require_master(config.master)
    # standard error is for progress; no process that is forked from here on speaks gRPC
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        from pyspark.sql.connect.session import SparkSession as ConnectSession
    except ImportError as error:
        raise ConfigError(
            "packages for Spark Connect are missing", value=error, expected=config.master, hint=extra_hint("connect")
        ) from error
    # functions of pyspark.sql make columns of this kind then
    os.environ[_MODE] = "1"
    try:
        session = cast("SparkSession", ConnectSession.builder.remote(_address(config.master)).getOrCreate())
        session.addArtifacts(str(code()), pyfile=True)
        for archive in filter(None, config.conf.get(_FILES, "").split(",")):
            session.addArtifacts(archive, archive=True)
    except Exception as error:
        raise StageError(
            "the Spark Connect server refused",
            value=f"{config.master}: {root_cause(error)}",
            expected="a server of Spark 4.2, and SPARK_REMOTE with the token that it wants",
            hint="lakebed doctor --master MASTER",
        ) from error
    for name, value in {**pins, **config.conf}.items():
        if name != _FILES:
            _set(session, _NAMES.get(name, name), value)
    return session


def forget() -> None:
    """Functions of pyspark.sql make columns of a session with a JVM again."""
    os.environ.pop(_MODE, None)


def n_cores(session: "SparkSession") -> int:
    """Tasks that run at a time."""
    return _cores_of_server(session) if is_connect(session) else session.sparkContext.defaultParallelism


def map_batches(frame: "DataFrame", do: Batches, schema: "str | StructType") -> "DataFrame":
    """`mapInArrow`, on any kind of session."""
    return frame.mapInArrow(portable(frame.sparkSession, do), schema)


def map_groups(
    frame: "DataFrame", by: Sequence[str], do: Callable[[pa.Table], pa.Table], schema: "str | StructType"
) -> "DataFrame":
    """`applyInArrow` of the groups that have the same in some columns, on any kind of session."""
    return frame.groupBy(*by).applyInArrow(portable(frame.sparkSession, do), schema)


@dataclass(frozen=True)
class Sent:
    """A value that goes along with every job that names it."""

    value: Any


def sent(session: "SparkSession", value: object) -> Any:
    """What tasks read as its `.value`: a broadcast; through Connect a part of the job's message, which has a limit."""
    return Sent(value) if is_connect(session) else session.sparkContext.broadcast(value)


def require_message(config: SparkConfig, n_bytes: int) -> None:
    """Refuses work of which a job would be too large for a message, before it begins.

    Raises: ConfigError: with the bytes.
    """
    if config.is_connect and n_bytes > MESSAGE_BYTES - _REST_BYTES:
        raise too_large(f"up to {n_bytes:,} bytes")


def portable(session: "SparkSession", do: Callable[[Given], Made]) -> Callable[[Given], Made]:
    """What Spark's workers are to call; on those of a Connect server it first leaves the zip of our code.

    Beside the zip numba finds no compiled kernels. Nothing of ours is imported before, which the zip would be.
    """
    if not is_connect(session):
        return do
    from pyspark import cloudpickle

    data: bytes = cloudpickle.dumps(do)  # type: ignore[no-untyped-call]
    if len(data) > MESSAGE_BYTES - _REST_BYTES:
        raise too_large(f"{len(data):,} bytes")

    def begin(given: Given) -> Made:
        import sys
        from pathlib import Path

        place = next((Path(one).parent for one in sys.path if one.endswith("/lakebed.zip")), None)
        if place is not None:
            from lakebed.connectors.spark.code import leave_the_zip

            leave_the_zip(place)
        made: Made = pickle.loads(data)(given)  # noqa: S301 - what the driver has sent
        return made

    return begin


def require_jvm(config: SparkConfig, what: str, fix: str) -> None:
    """Refuses what a client of Spark Connect cannot do.

    Raises: ConfigError: naming it.
    """
    if config.is_connect:
        raise ConfigError(
            f"{what} cannot run through Spark Connect",
            value=config.master,
            expected="a session with a JVM: local[*], spark://host:port, yarn or k8s://…",
            hint=fix,
        )


def _address(master: str) -> str:
    remote = os.environ.get(REMOTE_VARIABLE, "")
    return remote if remote.partition("/;")[0] == master else master


def _set(session: "SparkSession", name: str, value: str) -> None:
    from pyspark.errors import PySparkException

    try:
        session.conf.set(name, value)
    except PySparkException as error:
        raise ConfigError(
            "a client of Spark Connect cannot choose this setting",
            value=f"{name} = {value}",
            expected=f"settings of a session; others are the server's ({REMOTE}…)",
            hint="take it out of [spark.conf], and set it where the server starts",
        ) from error


@lru_cache(maxsize=1)
def _cores_of_server(session: "SparkSession") -> int:
    """Partitions of a frame that nobody has cut."""
    return session.range(1 << 16).selectExpr("spark_partition_id() AS part").distinct().count()

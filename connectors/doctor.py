"""What `lakebed doctor` looks at: one check a fact, each with what was found and the fix.

`quick_checks` loads neither Spark nor Prefect and takes well under a second; `check_spark` starts a session.
"""

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lakebed.connectors.errors import LakeError
from lakebed.connectors.memory import usable_memory
from lakebed.connectors.spark.archive import is_usable
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.jars import JARS_FIX, S3_JARS, are_wanting, find_jars, inspect_jars, jars_folder, s3_jars
from lakebed.connectors.spark.java import find_java
from lakebed.connectors.spark.masters import look_at_master
from lakebed.connectors.spark.worker_folders import kept_folders

ARCHIVE_FIX = "`python -m lakebed.connectors.spark.training` builds it (in a checkout `make setup`)"
_GIB = 1 << 30
# beside the JVM's heap: its own needs, this process, and a Python worker on each core
_BESIDE_HEAP_BYTES = _GIB
_MIN_DISK_BYTES = 2 * _GIB


@dataclass(frozen=True)
class Check:
    """One fact about this machine; `fix` is empty where nothing needs fixing."""

    name: str
    is_ok: bool
    found: str
    fix: str = ""


def quick_checks(config: SparkConfig, artifacts: str = ".") -> list[Check]:
    """Everything that is known without starting Spark, in the order in which a run needs it."""
    return [
        check_java(),
        check_worker_python(config),
        check_jars(config),
        check_s3_jars(),
        check_archive(config),
        check_memory(config),
        check_disk(artifacts),
        check_prefect(),
        *([] if config.is_local else [check_master(config.master)]),
        *([check_worker_folders()] if config.master.startswith("spark://") else []),
    ]


def check_java() -> Check:
    """A Java that Spark runs on."""
    try:
        java = find_java()
    except LakeError as error:
        return _failed("java", error)
    return Check("java", True, f"{java.text} at {java.path}")


def check_worker_python(config: SparkConfig) -> Check:
    """The Python of Spark's workers: locally this one; on a cluster what the config names."""
    if config.is_local:
        chosen = os.environ.get("PYSPARK_PYTHON", sys.executable)
        note = "" if chosen == sys.executable else f" (PYSPARK_PYTHON={chosen} is not used by local runs)"
        return Check("worker python", True, f"{sys.version.split()[0]} at {sys.executable}{note}")
    named = config.conf.get("spark.pyspark.python") or os.environ.get("PYSPARK_PYTHON", "")
    note = "" if named else ": this one's path, which every executor must have; else spark.archives brings one"
    return Check("worker python", True, f"{named or sys.executable}{note}")


def check_master(master: str) -> Check:
    """Whether somebody listens where the cluster's master should; for YARN, whether its settings are named."""
    return Check("master", *look_at_master(master))


def check_worker_folders() -> Check:
    """Whether workers on this machine keep what each application has unpacked; others cannot be asked."""
    kept = kept_folders()
    if not kept:
        return Check("worker folders", True, "no worker on this machine keeps folders of ended applications")
    listed = ", ".join(f"{folder} ({n} applications)" for folder, n in kept)
    fix = "start workers with SPARK_WORKER_OPTS=-Dspark.worker.cleanup.enabled=true (docs/cluster.md)"
    return Check(
        "worker folders", True, f"kept for ever, most of a gigabyte per executor and application: {listed}", fix
    )


def check_jars(config: SparkConfig) -> Check:
    """Delta's seven jars, with their digests' first digits; other digests than the pinned ones are a fault."""
    if are_wanting(config.jars):
        return Check("delta jars", True, f"not there yet: the first run fetches them to {jars_folder()}", JARS_FIX)
    try:
        jars = inspect_jars(config.jars)
    except LakeError as error:
        return _failed("delta jars", error)
    listed = ", ".join(f"{jar.name.removesuffix('.jar')} {jar.sha256[:8]}" for jar in jars)
    other = [jar.name for jar in jars if not jar.is_pinned]
    found = f"{jars_folder(config.jars)}: {listed}" + (f"; not as pinned: {', '.join(other)}" if other else "")
    return Check("delta jars", not other, found, JARS_FIX if other else "")


def check_s3_jars() -> Check:
    """Hadoop's S3 connector; without it only Spark's own reading of S3 fails, so its lack is no fault."""
    jars = s3_jars()
    found = f"{jars[0].parent}: {', '.join(jar.name.removesuffix('.jar') for jar in jars)}" if jars else "not fetched"
    use = "; on S3 Delta tables with deletion vectors or renamed columns need it, and results too large for one process"
    return Check("s3 jars", True, found if jars else f"{found}{use}: {S3_JARS.fix}", "" if jars else S3_JARS.fix)


def check_archive(config: SparkConfig) -> Check:
    """The class-data archive; a run works without it, and starts more slowly, so its lack is no fault."""
    try:
        found = not are_wanting(config.jars) and is_usable(find_java(), find_jars(config.jars))
    except LakeError as error:
        return _failed("class-data archive", error)
    slow = "none for this Java and these jars: sessions start seconds later"
    return Check("class-data archive", True, "in use" if found else slow, "" if found else ARCHIVE_FIX)


def check_memory(config: SparkConfig) -> Check:
    """Room for the JVM's heap and what runs beside it.

    What is in use now is no fault: a run that works, and is looked at as a container's health is, uses it.
    """
    memory, wanted = usable_memory(), (config.driver_memory_mib << 20) + _BESIDE_HEAP_BYTES
    whose = "that the container may use" if memory.is_limited else "of this machine"
    found = f"{_gib(memory.available_bytes)} free of {_gib(memory.total_bytes)} {whose}, {_gib(wanted)} wanted"
    is_short = memory.available_bytes < wanted
    fix = "end other programs, raise the limit, or lower driver_memory_mib in the config's [spark]" if is_short else ""
    return Check("memory", memory.total_bytes >= wanted, found, fix)


def check_disk(artifacts: str) -> Check:
    """Room where artifacts and Spark's shuffle files go."""
    places = {str(_existing(Path(artifacts))): "artifacts", tempfile.gettempdir(): "temporary files"}
    if "://" in artifacts:
        places = {tempfile.gettempdir(): "temporary files"}
    free = {place: shutil.disk_usage(place).free for place in places}
    found = "; ".join(f"{_gib(free[place])} free for {use} at {place}" for place, use in places.items())
    is_ok = min(free.values()) >= _MIN_DISK_BYTES
    return Check("disk", is_ok, found, "" if is_ok else "free some, or choose --artifacts and TMPDIR elsewhere")


def check_prefect() -> Check:
    """Prefect, and whether a run starts a server of its own or talks to the one that was named."""
    try:
        installed = version("prefect")
    except PackageNotFoundError:
        return Check("prefect", False, "not installed", "`pip install` lakebed's wheel, which brings it")
    named = os.environ.get("PREFECT_API_URL")
    return Check("prefect", True, f"{installed}, {f'server {named}' if named else 'a temporary server for each run'}")


def check_spark(config: SparkConfig) -> Check:
    """Runs one Python job on a session; starting one takes 10 s or more. One that runs already is left running."""
    from lakebed.connectors.spark.connect import n_cores
    from lakebed.connectors.spark.fetch import present_jars
    from lakebed.connectors.spark.session import shared_session

    starter, was_running = None, False
    try:
        present_jars(config.jars)
        starter = shared_session(config)
        was_running = starter.is_started
        session = starter.get()
        starter.warm_up().result()
        cores, seconds = n_cores(session), starter.seconds or 0.0
        return Check("spark", True, f"{session.version} on {config.master}, {cores} cores, started in {seconds:.1f} s")
    except LakeError as error:
        return _failed("spark", error)
    except Exception as error:
        return Check(
            "spark", False, str(error).splitlines()[0][:300], "read the message above; check the other lines first"
        )
    finally:
        if starter is not None and not was_running:
            starter.stop()


def _failed(name: str, error: LakeError) -> Check:
    return Check(name, False, error.what if error.value is None else f"{error.what}: {error.value}", error.hint)


def _existing(path: Path) -> Path:
    """The nearest folder of a path that is there: the artifact root is made by the first run."""
    path = path.absolute()
    return path if path.exists() else _existing(path.parent)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / _GIB:.1f} GiB"

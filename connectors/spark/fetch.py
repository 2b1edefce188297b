"""Getting a set of jars once: from a folder, or through Spark's own Ivy.

Run as `python -m connectors.spark.fetch [SET...]`; without a name it gets Delta's.

Ivy asks the local Maven repository first, then Maven Central; `LAKEBED_IVY_SETTINGS` names a settings file for a
mirror.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from connectors.errors import ConfigError
from connectors.spark.jars import (
    DELTA,
    JAR_SETS,
    JARS_VARIABLE,
    JarSet,
    find_jars,
    inspect_jars,
    is_there,
    jars_folder,
    share_folder,
    spark_home,
)
from connectors.spark.java import find_java

IVY_SETTINGS_VARIABLE = "LAKEBED_IVY_SETTINGS"
FETCH_TIMEOUT_S = 900


def fetch_jars(jar_set: JarSet = DELTA) -> Path:
    """Fills the set's own folder with its pinned jars and answers it; does nothing where they are there already.

    Raises: ConfigError: if Java is missing, the jars cannot be had, or one is not the pinned one.
    """
    if is_there("", jar_set) and _is_pinned(found := jars_folder("", jar_set), jar_set):
        return found
    target = share_folder() / ("jars" if jar_set is DELTA else f"jars-{jar_set.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        given = os.environ.get(JARS_VARIABLE, "") if not jar_set.is_optional or is_there("", jar_set) else ""
        source = given or str(_resolve(Path(folder), jar_set))
        whole = Path(folder) / "whole"
        whole.mkdir()
        for name, path in zip(jar_set.jars, find_jars(source, jar_set), strict=True):
            shutil.copyfile(path, whole / name)
        _verify(whole, source, jar_set)
        shutil.rmtree(target, ignore_errors=True)
        whole.rename(target)
    return target


def _is_pinned(folder: Path, jar_set: JarSet) -> bool:
    return all(jar.is_pinned for jar in inspect_jars(str(folder), jar_set))


def _verify(folder: Path, source: str, jar_set: JarSet) -> None:
    wrong = [f"{jar.name}: {jar.sha256}" for jar in inspect_jars(str(folder), jar_set) if not jar.is_pinned]
    if wrong:
        raise ConfigError(
            "jars differ from the pinned ones",
            value=source,
            expected="the SHA-256 digests in connectors/spark/jars.py",
            hint=_fix(jar_set),
            examples=wrong,
        )


def _resolve(folder: Path, jar_set: JarSet) -> Path:
    """Runs an empty program with `--packages`, in an Ivy folder of its own; answers the folder of the jars."""
    program = folder / "nothing.py"
    program.touch()
    options = ["--packages", jar_set.coordinate, "--conf", f"spark.jars.ivy={folder}/ivy", "--master", "local[1]"]
    if settings := os.environ.get(IVY_SETTINGS_VARIABLE):
        options += ["--conf", f"spark.jars.ivySettings={settings}"]
    command = [find_java().path, "-cp", f"{spark_home()}/jars/*", "org.apache.spark.deploy.SparkSubmit", *options]
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    try:
        done = subprocess.run(
            [*command, str(program)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"{jar_set.title} did not arrive", value=f"{FETCH_TIMEOUT_S} s passed", hint=_fix(jar_set)
        ) from error
    if done.returncode != 0:
        raise ConfigError(f"{jar_set.title} could not be fetched", value=_cause(done.stderr), hint=_fix(jar_set))
    return folder / "ivy" / "jars"


def _fix(jar_set: JarSet) -> str:
    return (
        f"{JARS_VARIABLE}=FOLDER with the jars of {jar_set.coordinate} works without a network, "
        f"{IVY_SETTINGS_VARIABLE}=FILE (an ivysettings.xml) goes through a mirror"
    )


def _cause(text: str) -> str:
    """The telling lines of Ivy's long answer."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if "not found" in line or "Exception" in line or "ERROR" in line]
    return "; ".join((telling or lines[-3:])[:3])


def main(names: Sequence[str]) -> int:
    """Fetches the sets of these names."""
    if unknown := [name for name in names if name not in JAR_SETS]:
        sys.stderr.write(f"no set of jars is called {unknown[0]}; there are {', '.join(JAR_SETS)}\n")
        return 2
    try:
        for name in names or [DELTA.name]:
            sys.stderr.write(f"{fetch_jars(JAR_SETS[name])}\n")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

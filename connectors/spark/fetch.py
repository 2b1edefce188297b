"""Getting Delta's jars once: from a folder, or through Spark's own Ivy: `python -m lakebed.connectors.spark.fetch`.

Further sets, such as `postgresql`, come by their names: `python -m lakebed.connectors.spark.fetch postgresql`.

Ivy asks the local Maven repository first, then Maven Central; `LAKEBED_IVY_SETTINGS` names a settings file for a
mirror.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark.jars import (
    DELTA_COORDINATE,
    DELTA_JARS,
    JAR_SETS,
    JARS_VARIABLE,
    JarSet,
    find_jars,
    inspect_jars,
    share_folder,
    spark_home,
)
from lakebed.connectors.spark.java import find_java

IVY_SETTINGS_VARIABLE = "LAKEBED_IVY_SETTINGS"
FETCH_TIMEOUT_S = 900
_FIX = (
    f"{JARS_VARIABLE}=FOLDER with these jars works without a network, "
    f"{IVY_SETTINGS_VARIABLE}=FILE (an ivysettings.xml) goes through a mirror"
)


def fetch_jars() -> Path:
    """Fills set-up's folder with the seven pinned jars and answers it; does nothing where they are there already.

    Raises: ConfigError: if Java is missing, the jars cannot be had, or one is not the pinned one.
    """
    target = share_folder() / "jars"
    if _is_complete(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        source = os.environ.get(JARS_VARIABLE) or str(_resolve(Path(folder), DELTA_COORDINATE))
        whole = Path(folder) / "whole"
        whole.mkdir()
        for name, path in zip(DELTA_JARS, find_jars(source), strict=True):
            shutil.copyfile(path, whole / name)
        _verify(whole, source, DELTA_JARS)
        shutil.rmtree(target, ignore_errors=True)
        whole.rename(target)
    return target


def fetch_set(wanted: JarSet) -> Path:
    """Fills the folder of a set of jars and answers it; does nothing where they are there already.

    Raises: ConfigError: as `fetch_jars`.
    """
    target = share_folder() / wanted.name
    if all((target / name).is_file() for name in wanted.jars):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        source, whole = _resolve(Path(folder), wanted.coordinate), Path(folder) / "whole"
        whole.mkdir()
        for name in wanted.jars:
            found = next(iter([*source.glob(name), *source.glob(f"*_{name}")]), None)
            if found is None:
                raise ConfigError(f"{wanted.coordinate} came without a jar", value=name, hint=_FIX)
            shutil.move(found, whole / name)
        _verify(whole, str(source), wanted.jars)
        shutil.rmtree(target, ignore_errors=True)
        whole.rename(target)
    return target


def _is_complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in DELTA_JARS) and all(
        jar.is_pinned for jar in inspect_jars(str(folder))
    )


def _verify(folder: Path, source: str, pinned: Mapping[str, str]) -> None:
    found = {name: _sha256(folder / name) for name in pinned}
    wrong = [f"{name}: {found[name]}" for name in pinned if found[name] != pinned[name]]
    if wrong:
        raise ConfigError(
            "jars differ from the pinned ones",
            value=source,
            expected="the SHA-256 digests in connectors/spark/jars.py",
            hint=_FIX,
            examples=wrong,
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _resolve(folder: Path, coordinate: str) -> Path:
    """Runs an empty program with `--packages`, in an Ivy folder of its own; answers the folder of the jars."""
    program = folder / "nothing.py"
    program.touch()
    options = ["--packages", coordinate, "--conf", f"spark.jars.ivy={folder}/ivy", "--master", "local[1]"]
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
        raise ConfigError(f"{coordinate} did not arrive", value=f"{FETCH_TIMEOUT_S} s passed", hint=_FIX) from error
    if done.returncode != 0:
        raise ConfigError(f"{coordinate} could not be fetched", value=_cause(done.stderr), hint=_FIX)
    return folder / "ivy" / "jars"


def _cause(text: str) -> str:
    """The telling lines of Ivy's long answer."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if "not found" in line or "Exception" in line or "ERROR" in line]
    return "; ".join((telling or lines[-3:])[:3])


if __name__ == "__main__":
    for set_name in sys.argv[1:]:
        if set_name not in JAR_SETS:
            sys.exit(f"no such set of jars: {set_name}; there are {', '.join(JAR_SETS)}")
        sys.stderr.write(f"{fetch_set(JAR_SETS[set_name])}\n")
    if not sys.argv[1:]:
        sys.stderr.write(f"{fetch_jars()}\n")

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
from pathlib import Path

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.places import CACHE_VARIABLE, share_folder
from lakebed.connectors.python_process import module_environment
from lakebed.connectors.spark.jars import (
    DELTA_SET,
    JAR_SETS,
    JARS_VARIABLE,
    JarSet,
    are_wanting,
    find_jars,
    spark_home,
)
from lakebed.connectors.spark.java import find_java

IVY_SETTINGS_VARIABLE = "LAKEBED_IVY_SETTINGS"
FETCH_TIMEOUT_S = 900
_FIX = (
    f"{JARS_VARIABLE}=FOLDER with these jars works without a network, "
    f"{IVY_SETTINGS_VARIABLE}=FILE (an ivysettings.xml) goes through a mirror"
)


def fetch_set(wanted: JarSet = DELTA_SET) -> Path:
    """Fills the folder of a set of jars and answers it; does nothing where the pinned ones are there already.

    Each jar appears under its name when it is whole and the pinned one; other versions may lie beside it.

    Raises: ConfigError: if Java is missing, the jars cannot be had, or one is not the pinned one.
    """
    target = share_folder() / wanted.name
    if all((target / name).is_file() and _sha256(target / name) == wanted.jars[name] for name in wanted.jars):
        return target
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            whole = Path(folder) / "whole"
            whole.mkdir()
            for name, path in _sources(wanted, Path(folder)).items():
                shutil.copyfile(path, whole / name)
            _verify(whole, wanted)
            for name in wanted.jars:
                (whole / name).replace(target / name)
    except OSError as error:
        raise ConfigError(
            f"no room for the jars of {wanted.coordinate}", value=error, hint=f"{_FIX}; {CACHE_VARIABLE}=FOLDER"
        ) from error
    return target


def present_jars(configured: str = "") -> list[Path]:
    """The seven jars of Delta; fetched now where nobody has named a folder and they are not there.

    Raises: ConfigError: as `fetch_set`, or if a named folder lacks one.
    """
    if are_wanting(configured):
        fetch_set()
    return find_jars(configured)


def _sources(wanted: JarSet, folder: Path) -> dict[str, Path]:
    """File name → where it can be copied from: for Delta's the user's folder, else what Ivy brings."""
    if wanted is DELTA_SET and (chosen := os.environ.get(JARS_VARIABLE)):
        return dict(zip(wanted.jars, find_jars(chosen), strict=True))
    source = _resolve(folder, wanted.coordinate)
    found = {name: next(iter([*source.glob(name), *source.glob(f"*_{name}")]), None) for name in wanted.jars}
    if missing := [name for name, path in found.items() if path is None]:
        raise ConfigError(f"{wanted.coordinate} came without a jar", value=missing[0], hint=_FIX)
    return {name: path for name, path in found.items() if path is not None}


def _verify(folder: Path, wanted: JarSet) -> None:
    found = {name: _sha256(folder / name) for name in wanted.jars}
    wrong = [f"{name}: {found[name]}" for name, pinned in wanted.jars.items() if found[name] != pinned]
    if wrong:
        raise ConfigError(
            "jars differ from the pinned ones",
            value=wanted.coordinate,
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
    environment = module_environment(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
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
    for set_name in sys.argv[1:] or [DELTA_SET.name]:
        if set_name not in JAR_SETS:
            sys.exit(f"no such set of jars: {set_name}; there are {', '.join(JAR_SETS)}")
        sys.stderr.write(f"{fetch_set(JAR_SETS[set_name])}\n")

"""Packs what a Spark cluster needs to run lakebed: `python infra/pack.py dist`.

    dist/lakebed.zip     lakebed's code with the kernels that numba compiled here; for --py-files
    dist/env.tar.gz      Python and the packages that executors import, of this environment; for --archives
    dist/jars/           Delta's jars; for --jars
    dist/lakebed.conf    all three by name; for --properties-file

The environment is relocatable and needs nothing of the executors but a Linux of this kind of processor whose C library
is not older than here. It is copied from the one that runs, so executors have the driver's versions to the byte.
"""

import argparse
import gzip
import io
import os
import shutil
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distribution
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lakebed.connectors.spark.code import EXECUTOR_PACKAGES, ZIP_NAME, write_code_zip
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.daemon import preload
from lakebed.connectors.spark.jars import find_jars

ENV, CONF = "env.tar.gz", "lakebed.conf"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
EXTRAS = {"links": ("torch", "safetensors"), "driver": ("lakebed",)}
# the driver's JVM plans and schedules: half of what its start costs is compiling for speed that it never needs. A
# variable, as a property would take the place of an administrator's own
FAST_START = "-XX:TieredStopAtLevel=1"
# parts of the standard library and of packages that no run uses
_LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "include"}
_OTHERS = ("site-packages", "dist-packages", "config-")
_LAUNCHER = f"""#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH="$here/../lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}" exec "$here/{PYTHON}" "$@"
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the four and says how large they are."""
    parser = argparse.ArgumentParser(prog="pack.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--with", dest="extras", action="append", default=[], choices=sorted(EXTRAS),
                        help="links: torch; driver: all that a driver needs, for --deploy-mode cluster")  # fmt: skip
    parser.add_argument("--uri", help="where the folder will be copied to, such as hdfs:///apps/lakebed")
    given = parser.parse_args(arguments)
    out: Path = given.out.absolute()
    # a fresh checkout has no kernels yet
    preload(",".join(SparkConfig().worker_preload))
    write_code_zip(out)
    wanted = (*EXECUTOR_PACKAGES, *(name for extra in given.extras for name in EXTRAS[extra]))
    sizes = write_environment(out / ENV, wanted)
    jars = copy_jars(out / "jars")
    (out / CONF).write_text(properties(given.uri or str(out), jars, has_driver="driver" in given.extras))
    for name in (ZIP_NAME, ENV):
        _say(f"{out / name}  {_mb((out / name).stat().st_size)}")
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    _say(f"  unpacked {_mb(sum(sizes.values()))}: " + ", ".join(f"{name} {_mb(size)}" for name, size in largest[:8]))
    _say(f"{out / 'jars'}  {_mb(sum((out / 'jars' / jar).stat().st_size for jar in jars))}")
    _say(f"\nSPARK_SUBMIT_OPTS={FAST_START} spark-submit --master MASTER --load-spark-defaults "
         f"--properties-file {out / CONF} infra/spark_submit.py run --lake LAKE --artifacts ROOT")  # fmt: skip


def write_environment(target: Path, names: Sequence[str]) -> dict[str, int]:
    """Writes the archive of Python and the named distributions with all they require.

    Returns: bytes by what they belong to, before compression.
    """
    sizes: dict[str, int] = {}
    part = target.with_suffix(".part")
    with gzip.open(part, "wb", compresslevel=3) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:  # type: ignore[arg-type]
        for owner, path, name in _environment_files(names):
            archive.add(path.resolve(), name, recursive=False, filter=_anonymous)
            sizes[owner] = sizes.get(owner, 0) + path.lstat().st_size
        _add_launcher(archive)
    part.replace(target)
    return sizes


def _add_launcher(archive: tarfile.TarFile) -> None:
    launcher = tarfile.TarInfo("bin/python")
    launcher.mode, launcher.size = 0o755, len(_LAUNCHER)
    archive.addfile(launcher, io.BytesIO(_LAUNCHER.encode()))


def copy_jars(folder: Path) -> list[str]:
    """Copies Delta's jars; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(jar, folder)).name for jar in find_jars()]


def properties(place: str, jars: Sequence[str], *, has_driver: bool) -> str:
    """Spark properties that name what was packed."""
    python = "./env/bin/python"
    lines = {
        "spark.submit.pyFiles": f"{place}/{ZIP_NAME}",
        "spark.archives": f"{place}/{ENV}#env",
        "spark.jars": ",".join(f"{place}/jars/{jar}" for jar in jars),
        "spark.pyspark.python": python,
        "spark.pyspark.driver.python": python if has_driver else sys.executable,
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _environment_files(names: Sequence[str]) -> Iterator[tuple[str, Path, str]]:
    """(what it belongs to, file, name in the archive)."""
    yield from _python_files()
    library = Path(sysconfig.get_path("purelib"))
    for package in _with_required(names):
        for path in _files_of(package):
            is_inside = path.is_relative_to(library) and path.is_file()
            if is_inside and not _LEFT_OUT & set(path.relative_to(library).parts[1:-1]):
                yield package.name, path, f"lib/{PYTHON}/site-packages/{path.relative_to(library).as_posix()}"


def _files_of(package: Distribution) -> list[Path]:
    """What was installed, and its byte code, which not every installer lists: each executor would compile it anew."""
    listed = [Path(os.path.normpath(file.locate())) for file in package.files or ()]
    compiled = [Path(cache_from_source(path)) for path in listed if path.suffix == ".py"]
    return sorted({*listed, *compiled})


def _python_files() -> Iterator[tuple[str, Path, str]]:
    """The interpreter and its standard library; where it is a shared library, a launcher that finds it."""
    base = Path(sys.base_prefix)
    yield PYTHON, (base / "bin" / PYTHON).resolve(), f"bin/{PYTHON}"
    shared = sysconfig.get_config_var("INSTSONAME") if sysconfig.get_config_var("Py_ENABLE_SHARED") else None
    if shared:
        yield PYTHON, Path(sysconfig.get_config_var("LIBDIR")) / str(shared), f"lib/{shared}"
    standard = Path(sysconfig.get_path("stdlib"))
    for path in sorted(standard.rglob("*")):
        parts = path.relative_to(standard).parts
        is_wanted = not _LEFT_OUT & set(parts[:-1]) and not parts[0].startswith(_OTHERS) and ".opt-" not in path.name
        if path.is_file() and is_wanted:
            yield PYTHON, path, f"lib/{PYTHON}/{'/'.join(parts)}"


def _with_required(names: Sequence[str]) -> list[Distribution]:
    """The distributions and all that they require, each once, without extras."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        package = distribution(waiting.pop())
        if package.name not in found:
            found[package.name] = package
            required = (Requirement(text) for text in package.requires or ())
            waiting += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return [found[name] for name in sorted(found) if name != "lakebed"]


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _mb(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()

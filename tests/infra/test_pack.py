"""What a cluster gets: an environment that needs no Python of the machine, and properties that name everything."""

import json
import os
import py_compile
import subprocess
import sys
import tarfile
from importlib.util import cache_from_source
from pathlib import Path

import pydantic
import pydantic.main
import pytest

from infra import pack
from infra.pack import copy_jars, properties, write_environment
from lakebed.connectors.spark.code import EXECUTOR_PACKAGES

LOOK = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
files = [module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]
print(json.dumps([sys.prefix, sys.version, [file for file in files if not file.startswith(sys.prefix)]]))
"""


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "bin" / "python"


def look(python: Path, *modules: str, folder: Path):
    done = subprocess.run(
        [python, "-c", LOOK, *modules], env={"HOME": str(folder / "nowhere")}, cwd=folder, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_small_environment_runs_wherever_it_lies(tmp_path):
    py_compile.compile(pydantic.main.__file__)
    sizes = write_environment(tmp_path / "env.tar.gz", ["pydantic"])
    assert {"pydantic", "pydantic_core", "typing_extensions", pack.PYTHON} <= set(sizes)
    assert not {"numpy", "lakebed"} & set(sizes)
    (tmp_path / "env").mkdir()
    python = unpacked(tmp_path / "env.tar.gz", tmp_path / "env")
    # nothing that this environment has compiled is compiled again
    for source in (tmp_path / "env").rglob("site-packages/pydantic/*.py"):
        here = cache_from_source(Path(pydantic.__file__).parent / source.name)
        assert Path(cache_from_source(source)).is_file() == Path(here).is_file()
    assert Path(cache_from_source(tmp_path / "env/lib" / pack.PYTHON / "site-packages/pydantic/main.py")).is_file()
    assert look(python, "pydantic", "ctypes", "hashlib", folder=tmp_path) == [str(tmp_path / "env"), sys.version, []]


def test_properties_name_every_part(tmp_path):
    jars = copy_jars(tmp_path / "jars")
    lines = dict(line.split(" ", 1) for line in properties("hdfs:///apps/lakebed", jars, has_driver=False).splitlines())
    assert lines["spark.submit.pyFiles"] == "hdfs:///apps/lakebed/lakebed.zip"
    assert lines["spark.archives"] == "hdfs:///apps/lakebed/env.tar.gz#env"
    assert lines["spark.jars"].count("hdfs:///apps/lakebed/jars/") == 7
    assert lines["spark.pyspark.python"] == "./env/bin/python"
    assert lines["spark.pyspark.driver.python"] == sys.executable
    # an administrator's own would be lost
    assert not any("JavaOptions" in name for name in lines)
    assert "driver.python ./env/bin/python" in properties("x", jars, has_driver=True)


@pytest.mark.heavy
def test_the_whole_pack(tmp_path, packed):
    folder, said = packed
    assert {path.name for path in folder.iterdir()} == {"lakebed.zip", "env.tar.gz", "jars", "lakebed.conf"}
    assert "llvmlite" in said
    (tmp_path / "env").mkdir()
    python = unpacked(folder / "env.tar.gz", tmp_path / "env")
    assert look(python, *EXECUTOR_PACKAGES, folder=tmp_path)[2] == []
    assert not (tmp_path / "env" / "lib" / pack.PYTHON / "site-packages" / "torch").exists()
    assert os.access(python, os.X_OK)

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile

from lakebed.connectors.python_process import code_root
from lakebed.connectors.spark import code
from lakebed.connectors.spark.code import ZIP_NAME, code_digest, unpacked_code, write_code_zip


def test_the_same_code_is_the_same_zip(tmp_path):
    one, other = write_code_zip(tmp_path / "one"), write_code_zip(tmp_path / "other")
    assert one.name == ZIP_NAME
    assert one.read_bytes() == other.read_bytes()
    assert [path.name for path in (tmp_path / "one").iterdir()] == [ZIP_NAME]


def test_a_kept_zip_is_taken_while_the_code_is_the_same(tmp_path, monkeypatch):
    kept, wanted = tmp_path / "kept", write_code_zip(tmp_path / "wanted").read_bytes()
    written = []
    monkeypatch.setattr(code, "write_code_zip", lambda folder: written.append(folder) or write_code_zip(folder))
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        assert code.copy_code_zip(kept, tmp_path / name).read_bytes() == wanted
    assert written == [tmp_path / "first"]
    [old] = kept.iterdir()
    members = [*code._members(), ("lakebed/new.py", b"1")]
    monkeypatch.setattr(code, "_members", lambda suffixes=None: iter(members))
    other = code.copy_code_zip(kept, tmp_path / "first")
    assert "lakebed/new.py" in zipfile.ZipFile(other).namelist()
    [new] = kept.iterdir()
    assert new != old and new.read_bytes() == other.read_bytes()


def test_a_zip_of_code_that_changes_meanwhile_is_not_kept(tmp_path, monkeypatch):
    digests = iter(["a", "b"])
    monkeypatch.setattr(code, "_digest", lambda suffixes=None: next(digests))
    assert code.copy_code_zip(tmp_path / "kept", tmp_path).is_file()
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_written_keeps_no_zip(tmp_path):
    (tmp_path / "kept").write_text("in the way")
    (tmp_path / "out").mkdir()
    assert code.copy_code_zip(tmp_path / "kept", tmp_path / "out").read_bytes()
    assert (tmp_path / "kept").read_text() == "in the way"


def test_the_zip_holds_code_data_files_and_kernels_and_no_byte_code(tmp_path):
    from lakebed.tasks.encoding.compile import compile_kernels

    compile_kernels()
    with zipfile.ZipFile(write_code_zip(tmp_path)) as packed:
        names = packed.namelist()
    assert {name.split("/")[0] for name in names} == {code.PACKAGE}
    for name in (
        "tasks/report/templates/report.html.j2",
        "connectors/spark/log4j2.properties",
        "flows/py.typed",
        "py.typed",
    ):
        assert f"lakebed/{name}" in names
    assert not any(name.endswith(".pyc") for name in names)
    assert {name.rsplit(".", 1)[1] for name in names if "__pycache__" in name} == {"nbi", "nbc"}


LOOK = """
import json, sys
from pathlib import Path
from lakebed.connectors.spark import daemon
daemon.leave_the_zip()
import lakebed.connectors, lakebed.tasks.encoding.siphash as kernels
from lakebed.connectors.spark.code import code_digest
hits = sum(sum(kernel.stats.cache_hits.values()) for kernel in kernels.KERNELS)
misses = sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels.KERNELS)
found = [Path(lakebed.connectors.__file__).parts[-4], code_digest(), hits, misses]
print(json.dumps(found))
"""


def test_an_executor_unpacks_the_zip_and_compiles_nothing_again(tmp_path):
    from lakebed.tasks.encoding.compile import compile_kernels

    compile_kernels()
    write_code_zip(tmp_path)
    variables = {"PYTHONPATH": ZIP_NAME, "PATH": os.environ["PATH"], "HOME": str(tmp_path / "nowhere")}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", LOOK], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        folder, digest, hits, misses = json.loads(done.stdout)
        assert (folder, digest) == (code.FOLDER_NAME, code_digest())
        assert hits > 0 and misses == 0
    assert {path.name for path in tmp_path.iterdir()} == {ZIP_NAME, code.FOLDER_NAME}


def test_code_that_is_files_stays_where_it_is(tmp_path):
    assert unpacked_code(code.__file__, tmp_path) is None
    assert (code_root() / "lakebed" / "connectors" / "spark").is_dir()


def test_other_code_has_another_digest(tmp_path, monkeypatch):
    write_code_zip(tmp_path)
    with zipfile.ZipFile(tmp_path / ZIP_NAME, "a") as packed:
        packed.writestr("lakebed/tasks/added.py", "")
    digest = code_digest()
    monkeypatch.setattr(code, "code_root", lambda: tmp_path / ZIP_NAME)
    assert code_digest() != digest


SHIPPED = """
import json, sys
from importlib import import_module

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2].split():
            raise ModuleNotFoundError(f"{name} is not shipped to executors")

sys.meta_path.insert(0, Refused())
for name in sys.argv[1].split():
    import_module(name)
"""


def test_what_tasks_import_is_shipped():
    """Functions reach executors by the name of their module, so each stage's Spark module must load there."""
    root = code_root()
    jobs = [path for name in ("spark.py", "jobs.py") for path in root.glob(f"lakebed/tasks/*/{name}")]
    wanted = [".".join(path.relative_to(root).with_suffix("").parts) for path in jobs]
    wanted += ["lakebed.tasks.inventory.worker", "lakebed.tasks.relations.worker", "lakebed.connectors.spark.daemon"]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    named = {re.split(r"[<>=!\\[]", line)[0].replace("-", "_") for line in project}
    refused = named - {*code.EXECUTOR_PACKAGES, "pyspark", "pandas"} | {"great_expectations", "torch", "openlineage"}
    done = subprocess.run(
        [sys.executable, "-c", SHIPPED, " ".join(wanted), " ".join(refused)],
        cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert len(wanted) >= 8
    assert done.returncode == 0, done.stderr[-2000:]

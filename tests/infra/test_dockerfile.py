"""The Dockerfiles: linted, and held to the repository. No engine runs here, so no image is built."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.infra.places import IMAGE_ROOT, INFRA, compose_services, image_environment, stages

DOCKERFILES = sorted(INFRA.glob("*Dockerfile"))
PROGRAMS = Path(sys.executable).parent
KNOWN_BASES = r"(\$\{BASE\}|machine|\$\{GO\}|\$\{DEBIAN\}) AS "
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def steps(stage, word):
    return [rest for found, rest in stages(INFRA / "Dockerfile")[stage] if found == word]


def every_run():
    return [rest for found in stages(INFRA / "Dockerfile").values() for word, rest in found if word == "RUN"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path):
    done = subprocess.run([PROGRAMS / "hadolint", path], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_pinned_and_of_a_supported_python():
    ((_, base),) = [found for found in stages(INFRA / "Dockerfile")[""] if found[1].startswith("BASE=")]
    version = re.fullmatch(r"BASE=python:(3\.1[12])\.\d+-slim-bookworm", base)
    assert version, base
    assert version[1] in ("3.11", "3.12")
    for path in DOCKERFILES:
        for found in stages(path).values():
            for word, rest in found:
                assert word != "FROM" or re.match(KNOWN_BASES, rest)


def test_the_compose_file_names_the_bases_that_the_dockerfiles_have():
    """As variables, so that a digest can stand there."""
    built = [service["build"] for service in compose_services().values() if "build" in service]
    assert {Path(build["dockerfile"]).name for build in built} == {path.name for path in DOCKERFILES}
    for build in built:
        base = dict(rest.split("=", 1) for _, rest in stages(INFRA / Path(build["dockerfile"]).name)[""])
        assert {name: re.fullmatch(r"\$\{\w+_IMAGE:-(.+)\}", value)[1] for name, value in build["args"].items()} == {
            name: value for name, value in base.items() if name != "SOURCE_DATE_EPOCH"
        }


def test_whatever_is_copied_is_there_and_reaches_the_engine():
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        source.rstrip("/")
        for stage in stages(INFRA / "Dockerfile").values()
        for word, rest in stage
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in sent, f".dockerignore keeps {source} back"
    assert sent == {source.split("/")[0] for source in copied}, ".dockerignore sends what no step copies"


def test_all_packages_and_their_data_are_copied():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {name.rstrip("*") for name in tool["packages"]["find"]["include"]}
    assert packages <= {rest.split("/")[0] for rest in steps("build", "COPY")}


def test_dependencies_come_by_hash_and_nothing_is_kept_in_caches():
    installs = [part for run in every_run() for part in run.split("&&") if " install " in part and "pip" in part]
    assert len(installs) == 3
    assert all("--require-hashes" in part or "--offline --no-deps --no-build-isolation" in part for part in installs)
    assert all("--mount=type=cache" in run for run in every_run() if "--require-hashes" in run)
    assert all("rm -rf /var/lib/apt/lists" in run for run in every_run() if "apt-get" in run)


def test_it_runs_as_a_numbered_user_with_a_healthcheck():
    words = [word for word, _ in stages(INFRA / "Dockerfile")["lakebed"]]
    assert steps("lakebed", "USER") == ["10001:10001"]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert words.index("USER") > words.index("COPY"), "the image's files must belong to root"
    (check,) = steps("lakebed", "HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == ["lakebed", "doctor"]


def test_entrypoint_and_the_steps_of_set_up_are_there():
    (entry,) = steps("lakebed", "ENTRYPOINT")
    script = json.loads(entry)[-1]
    assert (ROOT / Path(script).relative_to(IMAGE_ROOT)).is_file()
    tree = ast.parse((INFRA / "setup" / "setup.py").read_text())
    known = {node.args[0].value for node in ast.walk(tree) if isinstance(node, ast.Call) and is_step(node)}
    runs = [run.partition("setup.py")[2].partition("&&")[0] for run in steps("build", "RUN") if "setup.py" in run]
    named = {name for run in runs for name in re.findall(r'"([^"]+)"', run)}
    assert named == known - {"Python environment"}


def is_step(node):
    return isinstance(node.func, ast.Name) and node.func.id == "Step"


def test_labels_and_variables():
    labels = " ".join(steps("lakebed", "LABEL"))
    assert f'image.version="{PROJECT["version"]}"' in labels
    assert f'image.description="{PROJECT["description"]}"' in labels
    variables = image_environment()
    assert variables["PYSPARK_PYTHON"] == f"{IMAGE_ROOT}/.venv/bin/python"
    assert variables["PATH"].startswith(f"{IMAGE_ROOT}/.venv/bin:")


@pytest.fixture
def image(tmp_path):
    """A folder that takes the place of the image's."""
    text = (INFRA / "image" / "entrypoint.sh").read_text().replace(IMAGE_ROOT, str(tmp_path))
    (tmp_path / "entrypoint.sh").write_text(text)
    return tmp_path


def start(folder, *command, cache):
    return subprocess.Popen(
        ["/bin/sh", folder / "entrypoint.sh", *command], env={"NUMBA_CACHE_DIR": str(cache), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_the_entrypoint_brings_compiled_kernels_where_they_can_be_written(image):
    (image / "kernels").mkdir()
    (image / "kernels" / "one.nbi").write_text("x")
    cache = image / "cache"
    starts = [start(image, "cat", str(cache / "one.nbi"), cache=cache) for _ in range(5)]
    assert [started.communicate(timeout=60)[0] for started in starts] == ["x"] * 5
    assert [started.returncode for started in starts] == [0] * 5
    assert sorted(path.name for path in image.iterdir()) == ["cache", "entrypoint.sh", "kernels"]
    (cache / "one.nbi").write_text("newer")
    assert start(image, "cat", str(cache / "one.nbi"), cache=cache).communicate(timeout=60)[0] == "newer"


def test_the_entrypoint_hands_the_exit_status_on_and_bears_an_image_without_kernels(image):
    done = start(image, "sh", "-c", "exit 7", cache=image / "cache")
    done.communicate(timeout=60)
    assert done.returncode == 7
    assert not (image / "cache").exists()

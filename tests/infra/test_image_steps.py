"""The image's build steps, done here below another root, and what comes of them: packed and unpacked as a layer is.

No engine runs here; but the steps that make the image are commands, and what they depend on is the same.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT
from tests.infra.places import IMAGE_ROOT, INFRA, stages

pytestmark = [pytest.mark.heavy, pytest.mark.long]
SOURCE_DATE_EPOCH = "1767225600"
BUILDER = "/opt/uv"


def local(text, root):
    """A command of the Dockerfile, for this root."""
    text = re.sub(r"--mount=\S+ ", "", text)
    return text.replace(IMAGE_ROOT, str(root / "lakebed")).replace(BUILDER, str(root / "uv"))


def copy(arguments, image):
    """What COPY does with one or more sources of the repository; __pycache__ is kept back, as .dockerignore says."""
    *sources, target = arguments.split()
    for source in sources:
        place = image / target / ("" if source.endswith("/") else source)
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
            shutil.copytree(ROOT / source, place, symlinks=True, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy(ROOT / source, place)


def variables(root, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LAKEBED_", "NUMBA"))}
    return kept | {"REQUIREMENTS": "image", "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH} | more


def mirror():
    """The index that pip is told to use, which uv does not look up; an image is given it as an argument."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = done.stdout.strip() or os.environ.get("PIP_INDEX_URL", "")
    return {"UV_DEFAULT_INDEX": found} if found and "UV_DEFAULT_INDEX" not in os.environ else {}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    root = tmp_path_factory.mktemp("image")
    built = root / "lakebed"
    built.mkdir()
    for word, rest in stages(INFRA / "Dockerfile")["build"]:
        if word == "COPY":
            copy(rest, built)
        elif word == "RUN" and "apt-get" not in rest:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", local(rest, root)], cwd=built, env=variables(root, **mirror()),
                capture_output=True, text=True, check=False, timeout=900,
            )  # fmt: skip
            if "onnection" in done.stderr and done.returncode != 0:
                pytest.skip(f"no package registry here: {done.stderr[-300:]}")
            assert done.returncode == 0, f"{rest}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    # a layer keeps whole seconds of a file's time
    subprocess.run(["tar", "--format=gnu", "-cf", root / "layer.tar", "-C", root, "lakebed"], check=True)
    shutil.rmtree(built)
    subprocess.run(["tar", "-xf", root / "layer.tar", "-C", root], check=True)
    (root / "layer.tar").unlink()
    yield root
    shutil.rmtree(root)


def run(image, *command, **more):
    """Started by the image's entry point, with its environment."""
    script = image / "entrypoint.sh"
    script.write_text(local((INFRA / "image" / "entrypoint.sh").read_text(), image))
    scratch = image / "scratch"
    scratch.mkdir(exist_ok=True)
    path = f"{image / 'lakebed' / '.venv' / 'bin'}:{os.environ['PATH']}"
    own = {"PATH": path, "NUMBA_CACHE_DIR": str(scratch / "kernels"), "TMPDIR": str(scratch), "HOME": str(scratch)}
    return subprocess.run(
        ["/bin/sh", script, *command], cwd=scratch, env=variables(image, **own, **more), capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip


def test_the_doctor_is_content_and_the_class_data_archive_is_in_use(image):
    done = run(image, "lakebed", "doctor", "--json")
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["java"]["is_ok"] and found["delta jars"]["is_ok"] and found["prefect"]["is_ok"]
    assert found["class-data archive"]["found"] == "in use"
    assert str(image) in found["worker python"]["found"]


def test_compiled_kernels_are_loaded_and_not_made_again(image):
    done = run(image, "python", "-m", "lakebed.first_use")
    assert done.returncode == 0, done.stderr
    baked, used = (
        {path.relative_to(folder) for path in folder.rglob("*.nbc")}
        for folder in (image / "lakebed" / "kernels", image / "scratch" / "kernels")
    )
    assert len(baked) > 100 and used == baked


def test_no_tests_no_torch_no_cache(image):
    done = run(
        image, "python", "-c", "import importlib.util as u; print([u.find_spec(n) for n in ('torch', 'pytest')])"
    )
    assert done.stdout.strip() == "[None, None]"
    assert not [path for path in (image / "lakebed").rglob("*.whl")]
    assert not (image / "lakebed" / "tests").exists()


def test_the_chain_runs(image):
    done = run(image, "lakebed", "demo", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["differences"] == []

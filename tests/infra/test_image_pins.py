"""`make pins`, with a stand-in for docker: no registry of images is reached from here."""

import os
import re
import shutil
import subprocess
import sys

from tests.infra.places import INFRA

DIGEST = "sha256:" + 64 * "a"
DOCKER = f"""#!/bin/sh
for image; do :; done
echo "$image" >> "$0.asked"
case "$image" in *none*) echo "$image: not found" >&2; exit 1;; esac
echo {DIGEST}
"""


def pins(folder):
    """A copy of the tool beside the compose file, run with a docker of ours."""
    (folder / "infra" / "setup").mkdir(parents=True, exist_ok=True)
    shutil.copy(INFRA / "compose.yaml", folder / "infra")
    program = shutil.copy(INFRA / "setup" / "image_pins.py", folder / "infra" / "setup")
    docker = folder / "bin" / "docker"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    environment = os.environ | {"PATH": f"{docker.parent}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_every_image_of_others_is_pinned_and_the_rest_of_the_file_stays(tmp_path):
    (tmp_path / "infra").mkdir()
    file = tmp_path / "infra" / ".env"
    file.write_text("S3_SECRET_KEY=a=b\nPOSTGRES_IMAGE=postgres:17.7@sha256:" + 64 * "0" + "\n")
    done = pins(tmp_path)
    assert done.returncode == 0, done.stderr
    lines = file.read_text().splitlines()
    assert lines[0] == "S3_SECRET_KEY=a=b"
    assert f"POSTGRES_IMAGE=postgres:17.7@{DIGEST}" in lines
    # all that the compose file builds from or pulls, but our own
    compose = (INFRA / "compose.yaml").read_text()
    assert {line.partition("=")[0] for line in lines[1:]} == set(re.findall(r"\$\{(\w+_IMAGE)", compose))
    assert all(line.endswith(f"@{DIGEST}") for line in lines[1:])
    before = file.read_text()
    assert pins(tmp_path).returncode == 0 and file.read_text() == before


def test_where_a_digest_is_not_told_nothing_is_written(tmp_path):
    (tmp_path / "infra").mkdir()
    file = tmp_path / "infra" / ".env"
    file.write_text("POSTGRES_IMAGE=none:1\n")
    done = pins(tmp_path)
    assert done.returncode == 1
    assert done.stderr == "none:1 is not pinned: none:1: not found\n"
    assert file.read_text() == "POSTGRES_IMAGE=none:1\n"

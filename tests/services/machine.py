"""What the heavy tests need of the machine: packages, programs, ports. What cannot be had skips the test, saying so."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(os.environ.get("LAKEBED_TEST_TOOLS", "~/.cache/lakebed/test-tools")).expanduser()
INSTALL_TIMEOUT_S = 900
# how many times longer everything may take than on a machine that does little else
PATIENCE = float(os.environ.get("LAKEBED_TEST_PATIENCE", "1"))


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def find_program(name, *folders):
    """Where a program lies: on the path, or in one of these folders."""
    return shutil.which(name) or next((str(found) for at in folders if (found := Path(at) / name).is_file()), None)


def require_debian(program, package, *folders):
    """A program of a Debian package, installed if it is not there and this process may."""
    if not find_program(program, *folders) and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", package]):
            subprocess.run(
                command, check=False, capture_output=True, timeout=INSTALL_TIMEOUT_S,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            )  # fmt: skip
    return find_program(program, *folders) or pytest.skip(f"no {program} here: apt-get install {package}")


def require_go_tool(program, module):
    """A program built from a Go module, `path@version`, kept for the next run in a folder of its version."""
    folder = TOOLS / module.rsplit("@", 1)[1]
    if not (folder / program).is_file():
        if shutil.which("go") is None:
            pytest.skip(f"no {program} here, and no Go to build it: go install {module}")
        done = subprocess.run(
            ["go", "install", module], check=False, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S,
            env=os.environ | {"GOBIN": str(folder)},
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"go install {module} failed: {done.stderr.strip()[-300:]}")
    return str(folder / program)


def require_go_module(program, module, package):
    """A program built inside its own module, `path@version`, as `go install` refuses modules that replace others."""
    folder = TOOLS / module.rsplit("@", 1)[1]
    if not (folder / program).is_file():
        if shutil.which("go") is None:
            pytest.skip(f"no {program} here, and no Go to build it: go build ./{package} in {module}")
        source = _go("mod", "download", "-json", module)
        folder.mkdir(parents=True, exist_ok=True)
        _go("build", "-o", str(folder / program), f"./{package}", at=json.loads(source)["Dir"])
    return str(folder / program)


def _go(*arguments, at=None):
    done = subprocess.run(
        ["go", *arguments], check=False, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, cwd=at
    )
    if done.returncode != 0:
        pytest.skip(f"go {' '.join(arguments)} failed: {done.stderr.strip()[-300:]}")
    return done.stdout

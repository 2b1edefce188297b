"""Child processes that run a module of ours: from this process's code, never from the working folder."""

import os
import site
import sys
from collections.abc import Mapping
from pathlib import Path

# with it Python puts neither the working folder nor a script's folder before its own packages
SAFE_PATH = {"PYTHONSAFEPATH": "1"}


def code_root() -> Path:
    """The folder that lakebed is imported from: a checkout, site-packages, or a zip."""
    return Path(__file__).absolute().parents[2]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of lakebed with this interpreter."""
    return [sys.executable, "-P", "-m", module, *arguments]


def python_path() -> str:
    """PYTHONPATH of a child: our code before what this process was given; relative places are left out.

    What is installed is found without, and must not come before the standard library.
    """
    installed = {os.path.realpath(path) for path in (*site.getsitepackages(), site.getusersitepackages())}
    own = [] if os.path.realpath(code_root()) in installed else [str(code_root())]
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(path)]
    return os.pathsep.join(dict.fromkeys([*own, *given]))


def module_environment(**more: str) -> Mapping[str, str]:
    """The environment of such a child, with further variables."""
    return os.environ | SAFE_PATH | {"PYTHONPATH": python_path()} | more

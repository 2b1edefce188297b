"""What a machine needs once before the first run: Delta's jars and the compiled kernels.

`make setup` and an image make both; a wheel that pip installed makes them at its first run, in the user's cache. This
module as a program compiles every kernel: `python -m lakebed.first_use`.
"""

import hashlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from lakebed.connectors.places import KERNELS_VARIABLE, has_own_folder, share_folder
from lakebed.connectors.python_process import code_root, module_command, module_environment
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.jars import are_wanting
from lakebed.connectors.spark.submitted import is_submitted
from lakebed.tasks.runtime.progress import shown

_TASKS = code_root() / "lakebed" / "tasks"
# each takes half a GiB
_MAX_PROCESSES = 4
_QUEUE = "--queue="


def fetch_jars_once(config: SparkConfig) -> None:
    """Fetches Delta's jars where they are still wanting.

    Raises: ConfigError: if they cannot be had.
    """
    if is_submitted() or not are_wanting(config.jars):
        return
    from lakebed.connectors.spark.fetch import fetch_set

    with shown().step("Fetching Delta's jars (13 MB), once"):
        fetch_set()


def compile_kernels_once() -> None:
    """Compiles all kernels in processes of their own; where that fails they compile when they are called.

    With `make setup` or in an image it does nothing: they are compiled there, or are those of another processor.
    """
    if has_own_folder() or not _TASKS.is_dir() or (stamp := _stamp()).is_file():
        return
    modules = kernel_modules()
    with shown().step("Compiling kernels, once", len(modules)) as step:
        is_whole = _compile(modules, lambda _: step.advance())
    if is_whole:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()


def _compile(modules: Sequence[str], tell: Callable[[str], object], errors: int | None = subprocess.DEVNULL) -> bool:
    """Compiles the kernels of each module, and tells its name; answers whether all went well.

    All import the first; of the others processes take one after the other, the largest first. `errors` is where
    theirs go, as `subprocess` has it.
    """
    rest = sorted(modules[1:], key=_n_bytes, reverse=True)
    return _compile_together(modules[:1], tell, errors) and _compile_together(rest, tell, errors)


def _n_bytes(module: str) -> int:
    """Bytes of the sources beside a module, which tell about how long their kernels take."""
    folder = (_TASKS / "/".join(module.split(".")[2:])).parent
    return sum(path.stat().st_size for path in folder.glob("*.py"))


def _compile_together(modules: Sequence[str], tell: Callable[[str], object], errors: int | None) -> bool:
    """Processes that take their next module from one pipe, a byte each, and say on another what is done."""
    queue, numbers = os.pipe()
    os.write(numbers, bytes(range(len(modules))))
    os.close(numbers)
    reader, writer = os.pipe()
    environment = module_environment()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with open(reader) as lines:
            try:
                for _ in range(min(len(modules), os.cpu_count() or 1, _MAX_PROCESSES)):
                    processes.append(
                        subprocess.Popen(
                            module_command("lakebed.first_use", f"{_QUEUE}{queue}", *modules),
                            env=environment,
                            stdin=subprocess.DEVNULL,
                            stdout=writer,
                            stderr=errors,
                            pass_fds=[queue],
                        )
                    )
            finally:
                os.close(writer)
                os.close(queue)
            for line in lines:
                tell(line)
        return not any([process.wait() for process in processes])
    finally:
        for process in processes:
            process.kill()
            process.wait()


def kernel_modules() -> list[str]:
    """The modules that have a `compile_kernels`."""
    found = sorted(path.relative_to(_TASKS).with_suffix("") for path in _TASKS.glob("**/kernel/compile.py"))
    return ["lakebed.tasks.encoding.compile", *(".".join(("lakebed.tasks", *path.parts)) for path in found)]


def _stamp() -> Path:
    """The file that says that these kernels are compiled: by their sources, numba, this Python and numba's folder."""
    sources = [path for folder in ("encoding", "**/kernel") for path in sorted(_TASKS.glob(f"{folder}/*.py"))]
    facts = [version("numba"), sys.version, str(_TASKS), os.environ.get(KERNELS_VARIABLE, "")]
    digest = hashlib.sha256("\0".join(facts).encode())
    for path in sources:
        digest.update(path.read_bytes())
    return share_folder() / "kernels" / f"{digest.hexdigest()[:16]}.compiled"


def main() -> int:
    """Compiles the kernels of all modules, or of those that a queue tells, or loads them; one line per module."""
    if not sys.argv[1:]:
        return 0 if _compile(kernel_modules(), sys.stdout.write, errors=None) else 1
    queue, modules = int(sys.argv[1].removeprefix(_QUEUE)), sys.argv[2:]
    while number := os.read(queue, 1):
        importlib.import_module(modules[number[0]]).compile_kernels()
        sys.stdout.write(f"{modules[number[0]]}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

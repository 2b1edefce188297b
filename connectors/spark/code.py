"""lakebed's own code as one zip, so that executors run what the driver runs.

Numba's compiled kernels go along: they are found by the content of their source and by the processor, so an executor on
the driver's kind of machine loads them, and any other compiles them once, before its first task.
"""

import contextlib
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Container, Iterator
from pathlib import Path

from lakebed.connectors.errors import ArtifactError, LakeError
from lakebed.connectors.python_process import code_root
from lakebed.connectors.storage import LocalStorage, storage_error

ZIP_NAME = "lakebed.zip"
FOLDER_NAME = "lakebed-code"
# what tasks import, named as distributions and as modules; PySpark comes with the cluster's Spark
EXECUTOR_PACKAGES = (
    "numpy",
    "pyarrow",
    "numba",
    "scipy",
    "pydantic",
    "hnswlib",
    "deltalake",
    "rich",
    "psutil",
    "obstore",
    "fastavro",
    "cramjam",
    "pyroaring",
)
PACKAGE = "lakebed"
_KERNELS = {".nbi", ".nbc"}
_BYTE_CODE = {".pyc", ".pyo"}
# the least that a zip can say, so that the same code is the same bytes
_TIME = (1980, 1, 1, 0, 0, 0)


def write_code_zip(folder: Path) -> Path:
    """Writes `lakebed.zip` into a folder: the packages, their data files, and the kernels that numba has compiled here.

    Raises:
        ArtifactError: if it cannot be written.
    """
    target = folder / ZIP_NAME
    part = folder / f".{ZIP_NAME}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            for name, data in _members():
                packed.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)
        part.replace(target)
    except OSError as error:
        raise storage_error(error, "write the code for the executors", str(target), ArtifactError) from error
    return target


def copy_code_zip(kept: Path, folder: Path) -> Path:
    """Puts `lakebed.zip` into a folder: a copy of the one in `kept` where that is of this code, else written anew.

    A new one takes the place of those in `kept`, if that can be written; packing takes a second, a copy little.

    Raises:
        ArtifactError: if it cannot be written into the folder.
    """
    mine, target = f"{_digest()}.zip", folder / ZIP_NAME
    with contextlib.suppress(OSError):
        shutil.copyfile(kept / mine, target)
        return target
    write_code_zip(folder)
    # of code that changed meanwhile nobody knows which the zip has
    if mine != f"{_digest()}.zip":
        return target
    with contextlib.suppress(OSError, LakeError):
        LocalStorage(str(kept)).write_bytes_atomic(mine, target.read_bytes())
        for old in kept.glob("*.zip"):
            if old.name != mine:
                old.unlink(missing_ok=True)
    return target


def code_digest() -> str:
    """First digits of SHA-256 over the names and bytes of the code, here or on an executor."""
    return _digest({".py"})[:16]


def _digest(suffixes: Container[str] | None = None) -> str:
    digest = hashlib.sha256()
    for name, data in _members(suffixes):
        digest.update(f"{len(name)}:{name}:{len(data)}:".encode() + data)
    return digest.hexdigest()


def unpacked_code(module_file: str, folder: Path) -> Path | None:
    """Unpacks the zip that this module was imported from, for numba caches beside files only; None without a zip."""
    zip_path = next((path for path in Path(module_file).absolute().parents if path.suffix == ".zip"), None)
    if zip_path is None or not zip_path.is_file():
        return None
    target = folder / FOLDER_NAME
    if not target.is_dir():
        part = folder / f"{FOLDER_NAME}.{os.getpid()}"
        with zipfile.ZipFile(zip_path) as packed:
            packed.extractall(part)
        try:
            part.rename(target)
        except OSError:  # another daemon of this executor was faster
            return target if target.is_dir() else part
    return target


def leave_the_zip(folder: Path) -> None:
    """Goes on from files unpacked into a folder, where this module came from a zip.

    Beside a zip numba finds no compiled kernels, and no template in it can be opened.
    """
    if unpacked := unpacked_code(__file__, folder):
        import_from(unpacked)


def import_from(folder: Path) -> None:
    """Makes the folder the first place of imports, also for what was imported before from elsewhere."""
    sys.path.insert(0, str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def _members(suffixes: Container[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of all files, or of those with some suffixes, in the order of their names."""
    root = code_root()
    if root.suffix == ".zip":
        with zipfile.ZipFile(root) as packed:
            names = [name for name in packed.namelist() if suffixes is None or Path(name).suffix in suffixes]
            yield from ((name, packed.read(name)) for name in sorted(names))
        return
    # in a checkout the packages below are links, which are followed
    walked = os.walk(root / PACKAGE, followlinks=True)
    files = (Path(folder, name) for folder, _, names in walked for name in names)
    for path in sorted(path for path in files if path.suffix not in _BYTE_CODE):
        is_ours = path.parent.name != "__pycache__" or path.suffix in _KERNELS
        if is_ours and (suffixes is None or path.suffix in suffixes):
            yield path.relative_to(root).as_posix(), path.read_bytes()

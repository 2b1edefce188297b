"""Where lakebed keeps what it fetches and makes once: jars, class-data archive, kernels, code zip, Prefect's database.

`make setup` and an image keep it in their environment; an installed wheel in the user's cache, as the environment may
belong to somebody else.
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

from lakebed.connectors.errors import ConfigError

CACHE_VARIABLE = "LAKEBED_CACHE"
KERNELS_VARIABLE = "NUMBA_CACHE_DIR"
# what a run starts inherits its id, so that `gc` knows whose it was
RUN_VARIABLE = "LAKEBED_RUN_ID"


def has_own_folder() -> bool:
    """Whether `make setup` or an image has made this Python environment, and a folder in it for what is made once."""
    return not os.environ.get(CACHE_VARIABLE) and _own_folder().is_dir()


def share_folder() -> Path:
    """The environment's own folder where it has one, else `LAKEBED_CACHE`, else `lakebed` in the user's cache.

    Raises: ConfigError: if the user has no home and no variable names a folder.
    """
    if has_own_folder():
        return _own_folder()
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().absolute()
    # a relative one is to be ignored: https://specifications.freedesktop.org/basedir-spec
    cache = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "lakebed"
    except RuntimeError as error:
        raise ConfigError("this user has no home folder", hint=f"let {CACHE_VARIABLE} name a folder") from error


def temporary_prefix(kind: str) -> str:
    """How the name of a temporary folder begins: with the id of the run that makes it, where one does."""
    return f"lakebed-{kind}-{os.environ.get(RUN_VARIABLE, '')}-".replace("--", "-")


def environment_folder(name: str) -> Path:
    """A folder for what fits this Python environment only: environments share the user's cache."""
    if has_own_folder():
        return share_folder() / name
    return share_folder() / name / hashlib.sha256(sys.prefix.encode()).hexdigest()[:8]


def keep_kernels_in_cache() -> None:
    """Sends numba's compiled kernels to the cache, in this process and its children, unless the user chose a place.

    Where there is an own folder they stay beside their sources, or where an image says. To be called before numba is
    imported.
    """
    if not has_own_folder() and "numba" not in sys.modules:
        with contextlib.suppress(ConfigError):
            os.environ.setdefault(KERNELS_VARIABLE, str(share_folder() / "kernels"))


def _own_folder() -> Path:
    return Path(sys.prefix) / "share" / "lakebed"

"""The log of Spark's streaming file sink: `_spark_metadata/` names the files that a query has committed.

Spark reads these and no other, so that what a failed attempt left is in no table. Batch `N` is a file `N`, or
`N.compact` with all that is committed up to it; each has a line with the version and then a JSON object a line.
"""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.managed import SINK_LOG
from lakebed.connectors.storage import is_object_store

_BATCH = re.compile(r"(\d+)(\.compact)?")


def committed_files(root: str, folder: str, listed: Iterable[str]) -> dict[str, int]:
    """Paths below the lake's root of the files that are committed, with their sizes.

    Args:
        root: of the lake.
        folder: of the sink, below it.
        listed: paths below the root, those of all files of the log among them.

    Raises:
        SourceError: if the log is of another version, has a gap, cannot be read, or names files elsewhere.
    """
    log = f"{folder}/{SINK_LOG}".strip("/")
    found: dict[str, int] = {}
    for name in _batches(log, [path[len(log) + 1 :] for path in listed if path.startswith(f"{log}/")]):
        for action in _actions(root, f"{log}/{name}"):
            path = _below_root(root, folder, str(action["path"]))
            if action.get("action", "add") == "delete":
                found.pop(path, None)
            elif not action.get("isDir"):
                found[path] = int(action["size"])
    return found


def _batches(log: str, names: Iterable[str]) -> list[str]:
    """The files of the log to read, in order: the newest compact one and all behind it."""
    matches = [match for name in names if (match := _BATCH.fullmatch(name))]
    compact = max((int(match[1]) for match in matches if match[2]), default=-1)
    later = sorted(int(match[1]) for match in matches if not match[2] and int(match[1]) > compact)
    if later != list(range(compact + 1, compact + 1 + len(later))):
        missing = min(set(range(compact + 1, later[-1])) - set(later))
        raise SourceError("the log of the streaming sink has a gap", value=f"{log}/{missing}", hint="see Spark's job")
    return ([f"{compact}.compact"] if compact >= 0 else []) + [str(number) for number in later]


def _actions(root: str, path: str) -> list[dict[str, Any]]:
    try:
        with open_file(root, path) as stream:
            version, *lines = stream.read().decode("utf-8").splitlines()
        if version != "v1":
            raise SourceError("the log of the streaming sink is of another version", value=f"{path}: {version[:20]}")
        actions = [json.loads(line) for line in lines if line.strip()]
        if all(isinstance(action, dict) and {"path", "size"} <= action.keys() for action in actions):
            return actions
    except (OSError, ValueError) as error:
        raise SourceError("the log of the streaming sink cannot be read", value=f"{path}: {error}") from error
    raise SourceError("the log of the streaming sink cannot be read", value=f"{path}: not what Spark writes")


def _below_root(root: str, folder: str, uri: str) -> str:
    """Where a file of the log lies in the lake, which may have been moved or copied since.

    Raises:
        SourceError: if it does not lie in the sink's folder.
    """
    place = unquote(urlsplit(uri).path)
    own = f"{urlsplit(root).path if is_object_store(root) else root}/{folder}".rstrip("/")
    within = f"/{folder}/" if folder else f"{own[own.rindex('/') :]}/"
    rest = place[len(own) + 1 :] if place.startswith(f"{own}/") else place.rpartition(within)[2]
    if within not in place or not rest or ".." in rest.split("/"):
        raise SourceError("the log of the streaming sink names a file elsewhere", value=uri, hint="see Spark's job")
    return f"{folder}/{rest}".strip("/")

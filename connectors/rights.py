"""Who may write what a run writes."""

import functools
import os
import stat
from pathlib import Path

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import is_object_store

_SHARED = stat.S_IWGRP | stat.S_IWOTH


def forbid_shared_writes() -> None:
    """No file that this process or its children make may be written by group or others; a stricter umask stays."""
    os.umask(os.umask(_SHARED) | _SHARED)


def weakness_of(root: str) -> str:
    """Why others could change what lies below an artifact root; empty where none can, or where rights mean nothing."""
    if is_object_store(root):
        return ""
    try:
        facts = os.stat(Path(root.removeprefix("file://")).expanduser())
    except OSError:
        return ""
    if facts.st_mode & stat.S_IWOTH:
        return f"everybody may write into it (mode {stat.S_IMODE(facts.st_mode):o})"
    if facts.st_uid != os.geteuid():
        return f"it belongs to {_user(facts.st_uid)}, and this process runs as {_user(os.geteuid())}"
    return ""


def require_own(root: str, weakness: str) -> None:
    """Refuses a root that others can change.

    Raises:
        ArtifactError: saying why.
    """
    if weakness:
        raise ArtifactError(
            f"the artifact root is not safe from others: {weakness}",
            value=root,
            expected="a folder of this user's own, into which no other writes",
            hint=f"chmod o-w {root}, or another folder with --artifacts; `security.shared_root` may allow it",
        )


@functools.cache
def _user(number: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(number).pw_name} ({number})"
    except KeyError:
        return str(number)

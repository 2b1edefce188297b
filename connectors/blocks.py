"""Secrets that are named, not given: whoever knows the server that keeps them says how they are read."""

from collections.abc import Callable

from lakebed.connectors.errors import SourceError

_readers: list[Callable[[str], str]] = []


def read_blocks_with(read: Callable[[str], str]) -> None:
    """Takes the function that reads the Secret block of a name; `lakebed.flows` has one."""
    _readers[:] = [read]


def block_secret(name: str) -> str:
    """The secret in the Prefect block of a name.

    Raises:
        SourceError: if it is not there, or nobody can read it.
    """
    if not _readers:
        hint = "name a variable with password_env, or import lakebed.flows, which knows Prefect"
        raise SourceError("the password is missing", value=f"the Prefect block {name}: no Prefect", hint=hint)
    try:
        return _readers[0](name)
    except Exception as error:
        raise SourceError(
            "the password is missing",
            value=f"the Prefect block {name}: {type(error).__name__}",
            hint="make a Secret block of that name on the server that PREFECT_API_URL names",
        ) from error

"""Tables that a verb leaves as they are, each by itself: the others go on."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from lakebed.connectors.errors import LakeError, PlanError

_NOTHING = ("; nothing was done", "; nothing was deleted")


class Staying:
    """Which tables stay and why.

    Args:
        named: the tables that were asked for by name, which must go; the others may stay.
    """

    def __init__(self, named: Collection[str] = ()) -> None:
        self._named = named
        self._errors: dict[str, LakeError] = {}

    def __contains__(self, table: str) -> bool:
        return table in self._errors

    @contextmanager
    def trying(self, table: str) -> Iterator[None]:
        """Notes what speaks against a table instead of raising it."""
        try:
            yield
        except LakeError as error:
            self.leave(table, error)

    def leave(self, table: str, error: LakeError) -> None:
        """Notes that a table stays; the first reason counts."""
        self._errors.setdefault(table, error)

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """The tables by name, each with why."""
        return tuple(sorted((table, _told(error)) for table, error in self._errors.items()))

    def require_named(self) -> None:
        """Refuses to go on without a table that was asked for by name.

        Raises:
            PlanError: what spoke against the first of them.
        """
        self._raise([table for table in self._errors if table in self._named])

    def require_any(self, going: Collection[object]) -> None:
        """The same where every table stays.

        Args:
            going: those that do not.
        """
        if not going:
            self._raise(list(self._errors))

    def _raise(self, tables: Collection[str]) -> None:
        if not tables:
            return
        first, *others = tables
        error = self._errors[first]
        told = [f"{table}: {_told(self._errors[table])}" for table in others]
        raise PlanError(
            error.what,
            value=error.value,
            expected=error.expected,
            hint=error.hint,
            examples=[*error.examples, *told],
        ) from error


def _told(error: LakeError) -> str:
    what = error.what
    for ending in _NOTHING:
        what = what.removesuffix(ending)
    return what if error.value is None else f"{what}: {error.value}"

"""Bounds of a column over the files of a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from lakebed.connectors.lake.canonical import Canonical
from lakebed.connectors.lake.statistics import UNKNOWN, Interval, Tightness

Key = bytes | None
Keys = tuple[Key, Key, Key, Key]

NOTHING: Keys = (None, None, None, None)
_MAX_TEXT = 64


@dataclass(slots=True)
class FileColumn:
    """One column in one file: rows, nulls and compressed bytes (None = unknown), plain bounds and their keys.

    Bounds are in the order min_lower, min_upper, max_lower, max_upper.
    """

    n_rows: int
    n_nulls: int | None
    n_bytes: int | None
    values: Interval = UNKNOWN
    tightness: Tightness = "none"
    keys: Keys = NOTHING

    @property
    def has_values(self) -> bool:
        """Whether some cell may be neither null nor NaN."""
        return self.n_rows > 0 and self.n_nulls != self.n_rows


@dataclass(slots=True)
class Bounds:
    """The bounds of a column over all files; `least` and `greatest` are the plain outer ones."""

    keys: Keys
    tightness: Tightness
    n_nulls: int | None
    n_bytes: int | None
    least: Canonical | None = None
    greatest: Canonical | None = None


def merge_bounds(parts: Sequence[FileColumn]) -> Bounds:
    """The bounds over the files; unknown as soon as one file with values has none.

    A file with deleted rows ("wide") may have no live value at all, so it can lower the minimum but not prove one: only
    the other files bound the minimum from above and the maximum from below. Where all are wide, the live values lie
    somewhere between all stored ones.
    """
    if len(parts) == 1:
        return _single(parts[0])
    n_nulls = _total([part.n_nulls for part in parts])
    n_bytes = _total([part.n_bytes for part in parts])
    valued = [part for part in parts if part.has_values]
    if not valued or any(part.tightness == "none" for part in valued):
        return Bounds(NOTHING, "none", n_nulls, n_bytes)
    sure = [part for part in valued if part.tightness != "wide"]
    min_uppers = [part.keys[1] for part in sure or valued]
    max_lowers = [part.keys[2] for part in sure or valued]
    keys = (
        _extreme([part.keys[0] for part in valued], min),
        _inner(min_uppers, min) if sure else _extreme(min_uppers, max),
        _inner(max_lowers, max) if sure else _extreme(max_lowers, min),
        _extreme([part.keys[3] for part in valued], max),
    )
    lowest = min(valued, key=lambda part: (part.keys[0] is None, part.keys[0] or b""))
    highest = max(valued, key=lambda part: part.keys[3] or b"")
    return Bounds(keys, _tightness(valued, keys), n_nulls, n_bytes, lowest.values[0], highest.values[3])


def _single(part: FileColumn) -> Bounds:
    """The same for the many tables of one file."""
    if part.tightness == "none" or not part.has_values:
        return Bounds(NOTHING, "none", part.n_nulls, part.n_bytes)
    keys = part.keys
    return Bounds(keys, _tightness([part], keys), part.n_nulls, part.n_bytes, part.values[0], part.values[3])


def describe(value: Canonical | None, type_class: str) -> str | None:
    """A bound as a person writes it."""
    if value is None:
        return None
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace") if type_class == "string" else value.hex()
        return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    try:
        if type_class == "date":
            return date.fromordinal(int(value) + date(1970, 1, 1).toordinal()).isoformat()
        if type_class == "timestamp":
            return datetime.fromtimestamp(int(value) / 1e9, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        pass  # beyond the years that Python's dates hold
    if type_class in {"time", "duration"}:
        return f"{int(value) / 1e9} s"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _extreme(keys: Sequence[Key], pick: Callable[[list[bytes]], bytes]) -> Key:
    """The outermost key; unknown if one is."""
    known = [key for key in keys if key is not None]
    return pick(known) if len(known) == len(keys) else None


def _inner(keys: Sequence[Key], pick: Callable[[list[bytes]], bytes]) -> Key:
    """The inner key: each known one is a bound by itself."""
    known = [key for key in keys if key is not None]
    return pick(known) if known else None


def _tightness(valued: Sequence[FileColumn], keys: Keys) -> Tightness:
    kinds = {part.tightness for part in valued}
    if "wide" in kinds:
        return "wide"
    is_attained = keys[0] == keys[1] and keys[2] == keys[3]
    return "tight" if is_attained and "cut" not in kinds else "cut"

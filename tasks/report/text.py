"""How values are written for people; every name of the lake passes through `shown`."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

NO_NAME = "(no name)"
_WIDE = ("W", "F")
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def shown(text: str) -> str:
    """The text with control, formatting and broken characters made visible, so that no name can hide or reorder."""
    return "".join(char if _is_plain(char) else _escaped(char) for char in text)


def shortened(text: str, n_cells: int) -> str:
    """At most `n_cells` character cells wide, cut in the middle; wide characters take two cells."""
    if sum(map(_cells, text)) <= n_cells:
        return text
    head = _prefix(text, (n_cells - 1) * 2 // 3)
    tail = _prefix(text[::-1], n_cells - 1 - sum(map(_cells, head)))[::-1]
    return f"{head}…{tail}"


def bytes_text(n_bytes: float | None) -> str:
    """A size in decimal units."""
    if n_bytes is None:
        return "not measured"
    value = float(n_bytes)
    for unit in _UNITS:
        if abs(value) < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:,.0f} {unit}" if unit == "B" or abs(value) >= 100 else f"{value:,.1f} {unit}"


def count_text(n: int | None) -> str:
    """A count with thousands separated."""
    return "not measured" if n is None else f"{n:,}"


def seconds_text(seconds: float | None) -> str:
    """A duration."""
    return "not measured" if seconds is None else f"{seconds:,.2f} s"


def flattened(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as (dotted name, text); lists and empty mappings stay one fact."""
    facts: list[tuple[str, str]] = []
    for key, inner in value.items():
        name = _column_name(str(key))
        if isinstance(inner, Mapping) and inner:
            facts += flattened(inner, f"{prefix}{name}.")
        else:
            facts.append((shown(f"{prefix}{name}"), shown(_fact(inner))))
    return facts


def cut(facts: Sequence[tuple[str, str]], n_chars: int) -> list[tuple[str, str]]:
    """The facts within a budget of `n_chars` characters; one that does not fit is shortened and says so."""
    kept: list[tuple[str, str]] = []
    for name, text in facts:
        room = max(n_chars, 40)
        kept.append((name, text if len(text) <= room else f"{text[:room]} … ({len(text):,} characters, cut here)"))
        n_chars -= len(name) + len(kept[-1][1])
        if n_chars <= 0 and len(kept) < len(facts):
            kept.append(("…", f"{len(facts) - len(kept):,} more facts, cut here"))
            break
    return kept


def _column_name(key: str) -> str:
    """A column's token, the JSON array of its path, as a dotted name; any other text as it stands."""
    if not (key.startswith("[") and key.endswith("]")):
        return key
    try:
        path = json.loads(key)
    except ValueError:
        return key
    return ".".join(map(str, path)) or key


def _fact(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _is_plain(char: str) -> bool:
    return not unicodedata.category(char).startswith("C") and char not in "\u2028\u2029"


def _escaped(char: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return named.get(char) or (f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}")


def _cells(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1


def _prefix(text: str, n_cells: int) -> str:
    used = 0
    for position, char in enumerate(text):
        used += _cells(char)
        if used > n_cells:
            return text[:position]
    return text

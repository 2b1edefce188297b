"""Figures for people."""

from collections.abc import Mapping
from typing import Any

from lakebed.tasks.retention.words import period_text

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def human_bytes(n_bytes: float) -> str:
    """1234567 → `1.2 MB`."""
    size, unit = float(n_bytes), 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 else f"{size:.1f} {UNITS[unit]}"


def counted(n: int, what: str) -> str:
    """`1 table`, `1,234 tables`; `what` is one of them."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def changes_text(changes: Mapping[str, int]) -> str:
    """What a stage reused of its previous artifact: `tables: 2,292 reused, 1 changed; comparisons: 3 made`."""
    told: dict[str, list[str]] = {}
    for name, n in changes.items():
        what, _, how = name.partition("_")
        told.setdefault(what, []).extend([f"{n:,} {how}"] if n else [])
    return "; ".join(f"{what}: {', '.join(parts)}" for what, parts in told.items() if parts)


def may_go_text(found: Mapping[str, Any], table_bytes: int) -> str:
    """What a run found that may go, of the bytes of all tables that it read; nothing of it is saved yet."""
    share = f", {found['deletable_bytes'] / table_bytes:.1%} of what was read" if table_bytes else ""
    size, saved = human_bytes(found["deletable_bytes"]), period_text(found["saving_per_month"], found["currency"])
    return f"{counted(found['deletable_tables'], 'table')} may go ({size}{share}), which would save {saved}"


def others_text(n_files: int | None, n_bytes: int | None) -> str:
    """What is said of files of other kinds; empty where there are none, or nothing is known."""
    return f"not looked at: {counted(n_files, 'file')} of other kinds, {human_bytes(n_bytes or 0)}" if n_files else ""

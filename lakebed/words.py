"""Figures for people."""

from collections.abc import Mapping

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def human_bytes(n_bytes: float) -> str:
    """1234567 → `1.2 MB`."""
    size, unit = float(n_bytes), 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 else f"{size:.1f} {UNITS[unit]}"


def changes_text(changes: Mapping[str, int]) -> str:
    """What a stage reused of its previous artifact: `tables: 2,292 reused, 1 changed`."""
    told = [f"{n:,} {name.removeprefix('tables_')}" for name, n in changes.items() if n]
    return f"tables: {', '.join(told)}" if told else ""

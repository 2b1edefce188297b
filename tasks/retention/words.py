"""Money, shares and reasons for people: amounts in full digits, a month and a year, and for a lake of another size."""

import math
from collections.abc import Sequence

MONTHS_A_YEAR = 12
# where nobody says how large the lake really is
OF_BYTES = 10**12
_DIGITS = 3
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def money_text(amount: float, currency: str) -> str:
    """An amount with as many digits as it needs, never as a power of ten: 1,234.50 USD, 0.000104 USD."""
    if abs(amount) >= 1 or amount == 0:
        return f"{amount:,.2f} {currency}"
    return f"{amount:.{_DIGITS - 1 - math.floor(math.log10(abs(amount)))}f} {currency}"


def period_text(amount: float, currency: str) -> str:
    """An amount a month, and what that is a year."""
    return f"{money_text(amount, currency)} a month, {money_text(MONTHS_A_YEAR * amount, currency)} a year"


def in_proportion(amount: float, n_bytes: int, lake_bytes: int = 0) -> tuple[int, float]:
    """Bytes of a lake, 1 TB where none are said, and the amount for it where `amount` is that for `n_bytes`."""
    size = lake_bytes or OF_BYTES
    return size, amount * size / n_bytes if n_bytes else 0.0


def size_text(scaled: float, currency: str, lake_bytes: int) -> str:
    """An amount that is told in proportion, in words."""
    power = min(len(_UNITS) - 1, int(math.log10(lake_bytes)) // 3)
    return (
        f"in proportion, on a lake of {lake_bytes / 1000**power:,.4g} {_UNITS[power]}: {period_text(scaled, currency)}"
    )


def needed_text(children: Sequence[str]) -> str:
    """Why a table stays whose rows others are rebuilt from."""
    if not children:
        return "what would be rebuilt from it stays too"
    others = f" and {len(children) - 1:,} more" if len(children) > 1 else ""
    return f"{children[0]}{others} will be rebuilt from it"

"""Money for people."""


def money_text(amount: float, currency: str) -> str:
    """An amount with as many digits as it needs: 1,234.50 USD, 0.000104 USD."""
    text = f"{amount:,.2f}" if abs(amount) >= 1 or amount == 0 else f"{amount:.3g}"
    return f"{text} {currency}"

from decimal import Decimal

from lakebed.connectors.lake.statistics import cut_bytes, cut_text, rounded, tight, widen, within


def test_each_kind_of_bound_says_what_is_sure() -> None:
    assert tight(1, 2) == (1, 1, 2, 2)
    assert cut_text(b"ab", b"y") == (b"ab", b"ab\xff", None, b"y")
    assert cut_bytes(b"ab", b"y") == (b"ab", None, None, b"y")
    assert within(10, 20, 3) == (7, 13, 17, 23)
    assert widen((1, 2, 8, 9)) == (1, 9, 1, 9)


def test_a_rounded_decimal_lies_within_its_bounds() -> None:
    for text in ("12345678901234567.89", "-12345678901234567.89", "0", "1e-30"):
        exact = Decimal(text)
        through_float = Decimal(float(exact))
        low, high, _, _ = rounded(through_float, through_float)
        assert low is not None
        assert high is not None
        assert Decimal(low) <= exact <= Decimal(high)  # type: ignore[arg-type]

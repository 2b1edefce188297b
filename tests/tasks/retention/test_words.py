import pytest

from lakebed.tasks.retention.words import in_proportion, money_text, period_text, size_text


def test_amounts_have_the_digits_that_they_need_and_never_a_power_of_ten():
    assert money_text(1234.5, "USD") == "1,234.50 USD"
    assert money_text(0.000103578, "USD") == "0.000104 USD"
    assert money_text(3.7e-08, "USD") == "0.0000000370 USD"
    assert money_text(-0.0125, "USD") == "-0.0125 USD"
    assert money_text(1e12, "EUR") == "1,000,000,000,000.00 EUR"
    assert money_text(0.0, "EUR") == "0.00 EUR"


def test_an_amount_is_told_a_year_and_for_a_lake_of_another_size():
    assert period_text(2.0, "USD") == "2.00 USD a month, 24.00 USD a year"
    assert in_proportion(3.0, 10**9) == (10**12, pytest.approx(3_000.0))
    assert in_proportion(3.0, 10**9, 2 * 10**9) == (2 * 10**9, 6.0)
    assert in_proportion(3.0, 0) == (10**12, 0.0)
    assert size_text(6.0, "USD", 40 * 10**12) == "in proportion, on a lake of 40 TB: 6.00 USD a month, 72.00 USD a year"

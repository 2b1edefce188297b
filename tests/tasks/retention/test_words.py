from lakebed.tasks.retention.words import money_text


def test_amounts_have_the_digits_that_they_need():
    assert money_text(1234.5, "USD") == "1,234.50 USD"
    assert money_text(0.000103578, "USD") == "0.000104 USD"
    assert money_text(0.0, "EUR") == "0.00 EUR"

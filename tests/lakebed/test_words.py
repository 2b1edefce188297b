import pytest

from lakebed.words import changes_text, human_bytes


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5e15, "5.0 PB"), (5e18, "5000.0 PB")],
)
def test_human_bytes(n_bytes, text):
    assert human_bytes(n_bytes) == text


def test_changes_are_told_in_one_line():
    changes = {"tables_reused": 2292, "tables_changed": 1, "tables_dropped": 0}
    assert changes_text(changes) == "tables: 2,292 reused, 1 changed"
    assert changes_text({}) == changes_text({"tables_reused": 0}) == ""

import pytest

from lakebed.words import changes_text, counted, human_bytes, may_go_text, others_text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5e15, "5.0 PB"), (5e18, "5000.0 PB")],
)
def test_human_bytes(n_bytes, text):
    assert human_bytes(n_bytes) == text


def test_changes_are_told_in_one_line():
    changes = {"tables_reused": 2292, "tables_changed": 1, "tables_dropped": 0}
    assert changes_text(changes) == "tables: 2,292 reused, 1 changed"
    both = changes_text({"tables_reused": 5, "comparisons_reused": 4, "comparisons_made": 2})
    assert both == "tables: 5 reused; comparisons: 4 reused, 2 made"
    changes = {"nodes_reused": 5, "nodes_new": 1, "rows_changed": 2}
    assert changes_text(changes) == "nodes: 5 reused, 1 new; rows: 2 changed"
    assert changes_text({}) == changes_text({"tables_reused": 0}) == ""


def test_files_of_other_kinds_are_told_where_there_are_any():
    assert others_text(3, 1_500) == "not looked at: 3 files of other kinds, 1.5 kB"
    assert others_text(0, 0) == others_text(None, None) == ""


def test_what_may_go_is_a_share_of_what_was_read_and_would_save():
    found = {"deletable_tables": 2, "deletable_bytes": 4_700, "saving_per_month": 1.02e-7, "currency": "USD"}
    saved = "which would save 0.000000102 USD a month, 0.00000122 USD a year"
    assert may_go_text(found, 10_800) == f"2 tables may go (4.7 kB, 43.5% of what was read), {saved}"
    assert may_go_text(found, 0) == f"2 tables may go (4.7 kB), {saved}"


def test_one_is_no_plural():
    assert [counted(n, "table") for n in (0, 1, 2_000)] == ["0 tables", "1 table", "2,000 tables"]
    assert others_text(1, 10) == "not looked at: 1 file of other kinds, 10 B"

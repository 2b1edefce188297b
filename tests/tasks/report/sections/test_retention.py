import json

import pytest

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import Charts, Listing, Tiles
from lakebed.tasks.report.sections.retention import section
from tests.tasks.retention.lakes import by_name, contained_lake, decide_here


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workspace, inventory, containment = contained_lake(tmp_path_factory.mktemp("section"))
    store, ref = decide_here((workspace, inventory, containment))
    refs = {"inventory": inventory, "containment": containment, "retention": ref}
    return store, ref, section(store, refs, ReportConfig())


def blocks(shown, kind):
    return [block for block in shown.blocks if isinstance(block, kind)]


def test_money_stands_with_currency_and_date(made):
    tile = blocks(made[2], Tiles)[0].tiles[0]
    assert "USD" in tile.value
    assert "2025-01-01" in tile.note


def test_every_deleted_table_and_every_reason_is_listed(made):
    store, ref, shown = made
    deleted, copies, reasons, kept, solver, baseline = blocks(shown, Listing)
    rows = by_name(store, ref)
    assert {row[0] for row in deleted.rows} == {name for name, row in rows.items() if row["decision"] == "delete"}
    assert sum(int(row[1]) for row in reasons.rows) == sum(row["decision"] == "keep" for row in rows.values())
    assert {row[0] for row in kept.rows} == {"sales/orders", "empty"}
    assert [row[0] for row in solver.rows] == ["local", "tree"]
    assert [row[2] for row in baseline.rows] == ["stays", "goes", "goes"]
    assert deleted.n_all == len(deleted.rows)
    assert [row[:4] for row in copies.rows] == [
        ("sales/orders", "3", "archive/a_longer_path/orders, sales/orders_copy", "name")
    ]
    assert 'sales/orders_copy ranks lower by its name: "copy"' in copies.rows[0][4]


def test_charts_hold_every_point_and_no_address(made):
    store, ref, shown = made
    curve, naive = blocks(shown, Charts)[0].charts
    text = json.dumps([curve.spec, naive.spec])
    assert "http" not in text
    points = store.read(ref, "savings_curve").to_pylist()
    assert text.count('"budget":') == len(points)
    assert len(points) > 2


def test_the_page_takes_the_section(made):
    from dataclasses import replace

    from lakebed.tasks.report.render import render
    from tests.tasks.report.lakes import small_lake

    html = render(replace(small_lake(), sections=(made[2],)))
    assert '<section id="retention">' in html
    assert "What to keep, and what it would save" in html

"""Nothing counts as saved before it is purged: through the command line, Python, HTTP, metrics and the report."""

import json

import pytest

import lakebed
from lakebed.savings import Amount
from tests.flows.lakes import write_parquet_lake
from tests.flows.processes import lakebed as verb

FIGURES = ("may_go", "set_aside", "saved")


def test_an_amount_is_told_with_its_year():
    amount = Amount.of([(1_000, 0.25), (500, 0.25)])
    assert (amount.n_tables, amount.n_bytes, amount.per_month, amount.per_year) == (2, 1_500, 0.5, 6.0)
    assert amount.text("USD") == "2 tables, 1.5 kB, 0.500 USD a month, 6.00 USD a year"
    assert Amount.of([]) == Amount(0, 0, 0, 0)


@pytest.mark.flow
def test_what_is_set_aside_is_not_saved_before_it_is_purged(tmp_path):
    from fastapi.testclient import TestClient

    from lakebed.flows.http import create_app

    write_parquet_lake(tmp_path / "lake")
    (tmp_path / "c.toml").write_text("[quarantine]\ngrace_days = 0\n")
    options = ("--artifacts", "artifacts", "--config", "c.toml")

    def done(*arguments):
        answer = verb(*arguments, folder=tmp_path)
        assert answer.status == 0, answer.err
        return answer

    def told():
        """How many tables each figure is of, the same everywhere."""
        found = done("status", *options, "--json").json["savings"]
        counts = tuple(found[name]["n_tables"] for name in FIGURES)
        lake = lakebed.open(artifacts=tmp_path / "artifacts", config=tmp_path / "c.toml", progress=False)
        assert lake.savings().as_dict() == found
        answer = TestClient(create_app(str(tmp_path / "artifacts"))).get("/savings")
        assert answer.status_code == 200 and answer.json() == json.loads(json.dumps(found))
        metrics = done("status", *options, "--format", "prometheus").out
        for name, count in zip(FIGURES, counts, strict=True):
            assert f"lakebed_{name}_tables {float(count)}" in metrics
            assert f"lakebed_{name}_bytes {float(found[name]['n_bytes'])}" in metrics
            assert f'lakebed_{name}_money_per_month{{currency="USD"}}' in metrics
        page = (tmp_path / done("report", *options).out.strip()).read_text()
        assert f"{counts[1]:,} tables, " in page and "Saved so far" in page
        return counts

    done("run", "c.toml", "--lake", "lake", "--artifacts", "artifacts", "--to", "retention")
    assert told() == (2, 0, 0)
    done("plan", *options)
    done("apply", "plan.json", *options, "--yes")
    assert told() == (0, 2, 0)
    text = done("status", *options).out
    assert "set aside: 2 tables, 4.7 kB" in text and "saved so far: 0 tables, 0 B, 0.00 USD a month" in text
    done("purge", "names", *options, "--yes")
    assert told() == (0, 1, 1)
    done("restore", "--all", *options)
    assert told() == (2, 0, 0)

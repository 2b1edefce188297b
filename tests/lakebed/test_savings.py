"""Nothing counts as saved before it is purged: through the command line, Python, HTTP, metrics and the report."""

import json

import pytest

import lakebed
from lakebed.savings import Amount, figures
from lakebed.tasks.runtime.prometheus import metrics_text
from lakebed.tasks.runtime.record import list_runs
from tests.flows.lakes import write_parquet_lake
from tests.flows.processes import LOCAL, ONE_KEY
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
    key = ONE_KEY["LAKEBED_CONTAINMENT__HASH_KEY"]
    (tmp_path / "c.toml").write_text(f'[quarantine]\ngrace_days = 0\n[containment]\nhash_key = "{key}"\n')
    options = ("--artifacts", "artifacts", "--config", "c.toml")

    def done(*arguments):
        answer = verb(*arguments, folder=tmp_path, **LOCAL)
        assert answer.status == 0, answer.err
        return answer

    done("run", "c.toml", "--lake", "lake", "--artifacts", "artifacts", "--to", "retention")
    lake = lakebed.open(artifacts=tmp_path / "artifacts", config=tmp_path / "c.toml", progress=False)
    client = TestClient(create_app(str(tmp_path / "artifacts")))

    def told():
        """How many tables each figure is of: in Python, over HTTP and as metrics."""
        found = lake.savings().as_dict()
        counts = tuple(found[name]["n_tables"] for name in FIGURES)
        assert lake.status().savings == lake.savings()
        answer = client.get("/savings")
        assert answer.status_code == 200 and answer.json() == json.loads(json.dumps(found))
        metrics = metrics_text(list_runs(lake.artifacts), figures(lake.config))
        for name, count in zip(FIGURES, counts, strict=True):
            assert f"lakebed_{name}_tables {float(count)}" in metrics
            assert f"lakebed_{name}_bytes {float(found[name]['n_bytes'])}" in metrics
            assert f'lakebed_{name}_money_per_month{{currency="USD"}}' in metrics
        return counts

    assert told() == (2, 0, 0)
    lake.plan().apply()
    assert told() == (0, 2, 0)
    text = done("status", *options).out
    assert "set aside: 2 tables, 4.7 kB" in text and "saved so far: 0 tables, 0 B, 0.00 USD a month" in text
    lake.purge("names")
    assert told() == (0, 1, 1)
    assert "lakebed_saved_tables 1.0" in done("status", *options, "--format", "prometheus").out
    page = (tmp_path / done("report", *options).out.strip()).read_text()
    assert "Saved so far" in page and page.count("1 table, ") == 2
    lake.restore(everything=True)
    assert told() == (2, 0, 0)

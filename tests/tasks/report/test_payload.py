import json
from dataclasses import replace

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.payload import payload, script_json
from tests.tasks.report.lakes import HOSTILE, hostile_lake, small_lake


def test_json_in_a_script_element_cannot_end_it() -> None:
    text = script_json({name: name for name in HOSTILE})
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.isascii()
    assert json.loads(text) == {name: name for name in HOSTILE}


def test_only_tables_that_something_refers_to_are_kept() -> None:
    data = replace(small_lake(), near_misses=())
    rows = payload(data, {}, ReportConfig())
    assert [table["name"] for table in rows["tables"]] == [table.name for table in data.tables]
    rows = payload(replace(data, edges=data.edges[3:5]), {}, ReportConfig())
    assert [table["name"] for table in rows["tables"]] == ["copies/a", "copies/b"]
    assert [(edge["c"], edge["p"]) for edge in rows["edges"]] == [(0, 1), (1, 0)]


def test_numbers_that_json_lacks_become_unknown() -> None:
    data = small_lake()
    odd = replace(data, edges=(replace(data.edges[0], chance=float("nan")),))
    assert payload(odd, {}, ReportConfig())["edges"][0]["chance"] is None


def test_long_certificates_are_cut() -> None:
    data = hostile_lake()
    evidence = payload(data, {}, ReportConfig(max_evidence_chars=200))["edges"][0]["certificate"]
    assert "cut here" in evidence[-1][1]
    assert sum(len(name) + len(text) for name, text in evidence) < 1000


def test_what_the_near_misses_leave_out_is_said() -> None:
    data = small_lake()
    assert payload(data, {}, ReportConfig())["near_note"] == ""
    assert "Of 9 refuted pairs" in payload(replace(data, n_near_misses=9), {}, ReportConfig())["near_note"]
    incomplete = replace(data, are_near_misses_complete=False)
    assert "some near misses are missing" in payload(incomplete, {}, ReportConfig())["near_note"]

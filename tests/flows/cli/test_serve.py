"""`lakebed serve` where nothing is served: what is wrong is said before anything starts."""

import json

import pytest

from tests.flows.lakes import write_parquet_lake
from tests.flows.processes import lakebed, python

NOWHERE = "http://127.0.0.1:9/api"
SCHEDULES = """
import json
from lakebed.connectors.errors import ConfigError
from lakebed.flows.schedules import Schedule
seen = []
for given in [("x y", 0, ""), ("* * * *", 0, ""), ("", 3, ""), ("0 3 * * *", 60, ""), ("", 0, "UTC"),
              ("0 3 * * *", 0, "Mars/Base"), ("", 60, "Mars/Base")]:
    try:
        seen.append(str(Schedule(*given).for_prefect()))
    except ConfigError as error:
        seen.append(error.as_dict())
good = [Schedule("0 3 * * *", 0, "Europe/Berlin"), Schedule("", 10), Schedule()]
print(json.dumps([seen, [str(each.for_prefect()) for each in good]]))
"""


def refused(folder, *options, **variables):
    write_parquet_lake(folder / "lake")
    answer = lakebed("serve", "--lake", "lake", "--json", *options, folder=folder, **variables)
    return answer.status, answer.json


def test_without_a_server_it_says_how_to_start_one(tmp_path):
    status, error = refused(tmp_path, PREFECT_HOME=str(tmp_path / "home"))
    assert status == 2 and error["error"] == "ConfigError"
    assert "no Prefect server" in error["what"]
    assert "prefect server start --host 127.0.0.1" in error["hint"] and "PREFECT_API_URL" in error["hint"]


def test_an_unknown_stage_or_a_short_silence_is_a_wrong_usage(tmp_path):
    status, error = refused(tmp_path, "--to", "nowhere", PREFECT_API_URL=NOWHERE)
    assert (status, error["what"]) == (2, "no such stage")
    answer = lakebed("serve", "--silent", "10", folder=tmp_path, PREFECT_API_URL=NOWHERE)
    assert answer.status == 2 and "90" in answer.err


@pytest.mark.flow
def test_a_server_that_does_not_answer_is_named(tmp_path):
    status, error = refused(tmp_path, "--cron", "0 3 * * *", PREFECT_API_URL=NOWHERE, PREFECT_CLIENT_MAX_RETRIES="0")
    assert (status, error["error"], error["value"]) == (1, "StageError", NOWHERE)
    assert "does not answer" in error["what"]


@pytest.mark.flow
def test_schedules_that_cannot_be_are_refused_with_what_was_expected(tmp_path):
    answer = python(SCHEDULES, folder=tmp_path)
    assert answer.status == 0, answer.err
    wrong, good = json.loads(answer.out)
    assert all(isinstance(each, dict) for each in wrong), wrong
    words, fields, short, both, zone, mars, also_mars = wrong
    assert words["expected"] == fields["expected"] == "five fields, such as '0 3 * * *'"
    assert (short["value"], short["expected"]) == ("3 s", "at least 10 s")
    assert "exclude each other" in both["what"] and "--timezone without" in zone["what"]
    assert mars["value"] == also_mars["value"] == "Mars/Base" and "Europe/Berlin" in mars["expected"]
    assert "Europe/Berlin" in good[0] and good[2] == "None"

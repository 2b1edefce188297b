import json
import os

import pytest

from lakebed.flows.cli.run import print_summary
from tests.flows.lakes import write_mixed_lake
from tests.flows.processes import LOCAL, lakebed

STAGE = {"stage": "inventory", "key": "k" * 64, "reused": True, "seconds": 0.25, "bytes_read": 1500}
COUNTS = {"tables": 1200, "distinct_schemas": 3, "unreadable": 1}
FUNNEL = {"schema_edges": 9, "after_min_max": 5, "after_sketches": 4, "proven": 2, "coincidental": 1}

# of a processor, which no load of the machine changes; a quiet one takes as long
CPU_S = 2.5


def timed(*arguments, folder):
    """The answer of a verb, and the processor seconds that it took."""
    before = os.times()
    answer = lakebed(*arguments, folder=folder)
    after = os.times()
    return answer, after.children_user + after.children_system - before.children_user - before.children_system


def test_the_summary_tells_what_was_found(capsys):
    print_summary({**COUNTS, **FUNNEL, "stages": [STAGE], "report": "/a/report.html"})
    text = capsys.readouterr().out
    assert "1,200 tables in 3 schemas, 1 unreadable" in text
    assert "9 by schema → 5 after min-max → 4 after sketches → 2 proven, 1 of them coincidental" in text
    assert "reused" in text and "1.5 kB" in text and "report: /a/report.html" in text


def test_a_run_up_to_the_inventory_tells_no_pairs(capsys):
    print_summary({**COUNTS, "stages": [STAGE], "report": ""})
    text = capsys.readouterr().out
    assert "pairs" not in text and "report" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--lake", "none"), "the lake does not exist"),
        (("--lake", "file.txt"), "the lake is a file, not a folder"),
        (("--lake", "empty"), "the lake is empty"),
        (("--lake", "empty", "--artifacts", "empty/a"), "lie in each other"),
        (("--lake", "empty", "--artifacts", "file.txt"), "a part of the path is a file"),
        (("--lake", "empty", "--to", "nope"), "no such stage"),
        (("nope.toml",), "no such config file"),
    ],
)
def test_a_wrong_path_ends_at_once_and_says_what_to_do(tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    answer = lakebed("run", *arguments, "--json", folder=tmp_path)
    assert message in answer.json["what"]
    assert answer.json["hint"] or answer.json["expected"]
    assert answer.status == (1 if answer.json["error"] == "ArtifactError" else 2)
    assert answer.err.startswith(f"{answer.json['error']}: ")
    assert "Traceback" not in answer.err
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize(
    ("master", "found"),
    [
        ("spark://127.0.0.1:1", "127.0.0.1:1: Connection refused"),
        ("sc://127.0.0.1:1", "127.0.0.1:1: Connection refused"),
        ("spark://nowhere.invalid:7077", "nowhere.invalid:7077: "),
        ("spark://host", "spark://host is no master"),
        ("mesos", "mesos is no master"),
    ],
)
def test_a_wrong_master_ends_a_first_run_before_its_parts_are_loaded(tmp_path, master, found):
    write_mixed_lake(tmp_path / "lake")
    answer, seconds = timed("run", "--lake", "lake", "--master", master, "--json", folder=tmp_path)
    assert (answer.status, answer.json["what"]) == (2, "the cluster's master cannot be reached")
    assert found in answer.json["value"] and "doctor" in answer.json["hint"]
    assert seconds < CPU_S
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]


def test_a_wrong_master_ends_a_later_run_only_where_there_is_work(finished):
    folder, _ = finished
    run = ("run", "--lake", "lake", "--artifacts", "artifacts", "--master", "spark://127.0.0.1:1", "--json")
    assert lakebed(*run, folder=folder).status == 0
    answer, seconds = timed(*run, "--full", folder=folder)
    assert (answer.status, answer.json["what"]) == (2, "the cluster's master cannot be reached")
    assert "Prefect" not in answer.err and seconds < 2 * CPU_S


@pytest.mark.flow
def test_a_person_reads_the_same_in_words(finished):
    folder, first = finished
    answer = lakebed("run", "--lake", "lake", "--artifacts", "artifacts", folder=folder)
    assert answer.status == 0
    assert "4 tables in 3 schemas, 1 unreadable" in answer.out
    assert f"report: {first.json['report']}" in answer.out
    assert answer.err == "all artifacts are up to date\n"
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.out)


@pytest.mark.flow
def test_a_glob_that_names_nothing_is_a_warning_and_an_error_for_a_legal_hold(tmp_path):
    write_mixed_lake(tmp_path / "lake")
    pins = 'veto = ["nix/**"]\nstreaming = ["orders"]\nlegal_hold = ["broken", "{}"]\n'
    arguments = ("run", "pins.toml", "--lake", "lake", "--artifacts", "artifacts", "--to", "inventory")
    (tmp_path / "pins.toml").write_text("[retention.pins]\n" + pins.format("ordres_*"))
    refused = lakebed(*arguments, folder=tmp_path)
    assert refused.status == 2 and "retention.pins.legal_hold: ordres_*" in refused.err
    # one that could not be read is a table all the same
    (tmp_path / "pins.toml").write_text("[retention.pins]\n" + pins.format("orders_*"))
    answer = lakebed(*arguments, folder=tmp_path, **LOCAL)
    assert answer.status == 0, answer.err
    assert [line for line in answer.err.splitlines() if line.startswith("warning")] == [
        "warning: retention.pins.veto names no table: nix/**"
    ]

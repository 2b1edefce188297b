import doctest
import json
import os
import shutil
from importlib import import_module

import pytest

import lakebed
from lakebed.connectors.errors import ArtifactError, ConfigError, LeaseError, PlanError, SourceError
from lakebed.tasks.runtime.lease import Lease
from lakebed.tasks.runtime.progress import Progress, shown
from tests.flows.processes import here as verb

DOCUMENTED = ("answers", "graph", "planning", "results", "session")


@pytest.fixture
def place(finished, tmp_path):
    """A finished run whose artifact root may be changed; the lake is not."""
    folder, _ = finished
    shutil.copytree(folder / "artifacts", tmp_path / "artifacts")
    (tmp_path / "lake").symlink_to(folder / "lake")
    return tmp_path


@pytest.fixture
def lake(place):
    return lakebed.open(place / "lake", artifacts=place / "artifacts", progress=False)


def facts_of(error):
    return json.loads(json.dumps(error.as_dict()))


@pytest.mark.flow
@pytest.mark.parametrize("module", DOCUMENTED)
def test_examples_of_docstrings(module, place, lake):
    (place / "edges.tsv").write_text("a\tb\na\tc\nc\td\n")
    names = {"lakebed": lakebed, "lake": lake}
    found = doctest.testmod(import_module(f"lakebed.{module}"), extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert found.failed == 0 and found.attempted > 0


@pytest.mark.flow
def test_answers_are_those_of_the_command_line(place, lake):
    def asked(*arguments):
        answer = verb(*arguments, "--artifacts", "artifacts", "--json", folder=place)
        return [json.loads(line) for line in answer.out.splitlines()]

    as_json = json.loads(json.dumps([vars(edge) for edge in lake.containments()]))
    assert as_json == asked("containments")
    assert [lake.explain("names").as_dict()] == asked("explain", "names")
    assert [row.as_dict() for row in lake.similar("orders", 2)] == asked("similar", "orders", "--k", "2")
    assert [row.as_dict() for row in lake.joinable("names.id")] == asked("joinable", "names.id")
    assert [row.as_dict() for row in lake.search("city")] == asked("search", "city")
    assert [vars(node) for node in lake.neighbours("orders")] == asked("neighbours", "orders")[0]["neighbours"]
    assert [json.loads(json.dumps(lake.tables().as_dict()))] == asked("tables")
    (planned,) = asked("plan", "--out", place / "plan.json")
    assert lake.plan().totals == {name: planned[name] for name in lake.plan().totals}
    assert json.loads(json.dumps(lake.status().as_dict())) == asked("status")[0]


@pytest.mark.flow
@pytest.mark.parametrize(
    ("ask", "arguments", "kind"),
    [
        (lambda lake: lake.explain("nope"), ("explain", "nope"), SourceError),
        (lambda lake: lake.similar("order"), ("similar", "order"), ConfigError),
        (lambda lake: lake.similar("orders", 0), None, ConfigError),
        (lambda lake: lake.similar(), ("similar",), ConfigError),
        (lambda lake: lake.neighbours("nope"), ("neighbours", "nope"), lakebed.errors.GraphError),
        (lambda lake: lake.vectors("value"), None, ConfigError),
        (lambda lake: lake.restore(), None, ConfigError),
        (lambda lake: lake.restore("orders"), ("restore", "orders"), PlanError),
        (lambda lake: lake.run(to="nope"), None, ConfigError),
        (lambda lake: lake.plan("nope.json"), None, PlanError),
        (lambda lake: lake.open_table("nope"), None, SourceError),
    ],
)
def test_errors_are_those_of_the_command_line(ask, arguments, kind, place, lake):
    with pytest.raises(kind) as caught:
        ask(lake)
    assert caught.value.what and (caught.value.expected or caught.value.hint)
    if arguments:
        told = verb(*arguments, "--artifacts", "artifacts", "--json", folder=place)
        assert told.json == facts_of(caught.value)


@pytest.mark.flow
def test_a_run_takes_the_lease_reuses_and_is_recorded(place, lake, capfd):
    before = shown()
    run = lake.run()
    assert capfd.readouterr().err == "" and shown() is before
    assert [stage.reused for stage in run.stages] == [True] * 10
    assert lake.status()[0].run_id == run.record.run_id
    assert run.containments()[:] and run.report.endswith("report.html")
    assert f"run {run.record.run_id}, completed" in run._repr_html_() and "10 StageRow" in repr(run)
    with Lease(lake.artifacts, "another"), pytest.raises(LeaseError):
        lake.run()
    lakebed.open(place / "lake", artifacts=place / "artifacts").run(to="inventory")
    assert "all artifacts are up to date" in capfd.readouterr().err


@pytest.mark.flow
def test_a_run_is_asked_about_what_it_made_itself(lake):
    run = lake.run(to="containment")
    assert [edge.child for edge in run.containments()] == ["names", "orders_part"]
    assert run.explain("names").decision is None
    assert lake.explain("names").decision is None
    for ask in (run.plan, lambda: run.similar("orders"), lambda: run.neighbours("orders")):
        with pytest.raises(ArtifactError, match=f"run {run.record.run_id} has not reached the stage"):
            ask()
    assert len(lake.plan()) == 4


@pytest.mark.flow
def test_a_lake_that_nothing_names_is_that_of_the_newest_run(place, finished):
    found = lakebed.open(artifacts=place / "artifacts")
    assert found.config.lake.root == str(finished[0] / "lake")
    assert found.open_table("orders.parquet").num_rows == 300


@pytest.mark.flow
def test_an_index_stays_open_until_there_is_another(lake):
    first = lake.search_index
    assert lake.search_index is first
    lake.run()
    assert lake.search_index is first


@pytest.mark.flow
def test_plans_are_saved_read_and_tried(place, lake):
    plan = lake.plan()
    with pytest.raises(ConfigError, match="in the lake"):
        plan.save(place / "lake" / "plan.json")
    plan.save("plan.json")
    again = lake.plan("plan.json")
    assert again.plan.plan_id == plan.plan.plan_id and again[:] and again.to_arrow() == plan.to_arrow()
    assert {receipt.table.name for receipt in again.apply(dry_run=True).receipts} == {"names", "orders_part"}
    other = lakebed.open(place, artifacts=place / "artifacts")
    with pytest.raises(PlanError, match="another lake"):
        other.plan("plan.json").apply(dry_run=True)


def test_settings_win_over_the_file_and_the_environment(tmp_path, monkeypatch):
    (tmp_path / "lakebed.toml").write_text('artifacts = "of-file"\n[lake]\nroot = "file-lake"\nstrict = true\n')
    monkeypatch.setenv("LAKEBED_LAKE__PARANOID", "true")
    lake = lakebed.open("given", retention={"prices": {"currency": "EUR"}})
    config = lake.config
    assert (config.lake.root, lake.artifacts) == (str(tmp_path / "given"), str(tmp_path / "of-file"))
    assert config.lake.strict and config.lake.paranoid and config.retention.prices.currency == "EUR"
    assert not lakebed.open({"root": "given", "strict": False}).config.lake.strict


def test_the_working_folder_may_change_afterwards(tmp_path, monkeypatch):
    (tmp_path / "lakebed.toml").write_text('artifacts = "a"\n[containment]\nsemantics = "bag"\n')
    lake = lakebed.open("lake")
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    assert lake.config.lake.root == str(tmp_path / "lake")
    assert lake.config.artifacts == lake.artifacts == str(tmp_path / "a")
    assert lake.config.containment.semantics == "bag"


def test_what_is_wrong_is_said_at_once(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown config key containment\.nope"):
        lakebed.open("lake", containment={"nope": 1})
    with pytest.raises(ConfigError, match="no such config file"):
        lakebed.open("lake", config="nope.toml")
    lake = lakebed.open(artifacts="artifacts")
    with pytest.raises(ConfigError, match="lake is missing"):
        lake.run()
    with pytest.raises(ArtifactError, match="no run") as caught:
        lake.containments()
    assert caught.value.hint.startswith("lakebed run --lake PATH")
    assert not (tmp_path / "artifacts").exists()


def test_progress_may_be_the_callers_own(searchable):
    told = Progress(is_quiet=True)
    assert lakebed.open(artifacts=searchable[0], progress=told)._progress is told
    # reading asks for no lake
    assert lakebed.open(artifacts=searchable[0]).similar("orders_2024", 1)[0].name == "orders"

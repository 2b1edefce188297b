"""The verbs as a person meets them: what they print, what they refuse, and with which exit code."""

import json
import os
import shutil
import signal

import pytest

import lakebed as lakebed_module
from lakebed.flows.cli.main import STOPS, main
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.plan import Plan, write_plan
from lakebed.tasks.retention.planning import PlanSource, make_plan
from lakebed.tasks.runtime.progress import Progress, show
from tests.flows.lakes import snapshot
from tests.flows.processes import Answer
from tests.tasks.retention.lakes import contained_lake, decide_here

CHILDREN = {"archive/a_longer_path/orders", "hr/ids", "sales/cheap", "sales/ids", "sales/orders_copy"}


@pytest.fixture(autouse=True)
def _handlers():
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    show(Progress(is_quiet=True))
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def lakebed(capsys, monkeypatch):
    """A verb in this process, which spares its start-up time; kills and the whole story use processes of their own."""

    def call(*arguments, folder):
        monkeypatch.chdir(folder)
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out, err = capsys.readouterr()
        return Answer(caught.value.code or 0, out, err)

    return call


@pytest.fixture
def folder(tmp_path):
    """A lake whose retention stage is done, and its plan."""
    workspace, inventory, containment = contained_lake(tmp_path)
    store, ref = decide_here((workspace, inventory, containment))
    refs = {"inventory": inventory, "containment": containment, "retention": ref}
    write_plan(make_plan(PlanSource(store, refs, workspace.lake, RetentionConfig())), tmp_path / "plan.json")
    return tmp_path


@pytest.fixture
def refused(lakebed, folder):
    def call(*arguments, status=4):
        """The error; a refusal has changed nothing and says what to do next."""
        before = lying(folder)
        answer = lakebed(*arguments, "--json", folder=folder)
        assert answer.status == status, answer.err
        assert lying(folder) == before
        assert answer.json["hint"] and answer.json["what"]
        assert "Traceback" not in answer.err
        return answer.json

    return call


@pytest.fixture
def done(lakebed, folder):
    def call(*arguments):
        answer = lakebed(*arguments, folder=folder)
        assert answer.status == 0, answer.err
        return answer

    return call


def lying(folder):
    """All that lies in the lake; the lease names its last holder and is left out."""
    return {path: facts for path, facts in files(folder).items() if not path.endswith("/lease.json")}


def files(folder):
    return {path: facts for path, facts in snapshot(folder / "lake").items() if facts[0] != "folder"}


def edit(folder, change):
    path = folder / "plan.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_there_and_back(folder, done):
    before = files(folder)
    dry = done("apply", "plan.json", "--dry-run", "--json").json
    assert dry["dry_run"] and dry["n_tables"] == len(CHILDREN)
    assert files(folder) == before
    applied = done("apply", "plan.json", "--yes", "--json").json
    assert {one["table"] for one in applied["tables"]} == CHILDREN
    assert applied["n_bytes"] == dry["n_bytes"]
    assert done("restore", "--all", "--lake", "lake", "--dry-run", "--json").json["n_tables"] == len(CHILDREN)
    restored = done("restore", "hr/ids", "--lake", "lake", "--json").json
    assert restored["moved"] == ["hr/ids"]
    done("restore", "--all", "--lake", "lake")
    assert files(folder) == before
    assert not (folder / "lake" / "_lakebed_quarantine").exists()


def test_text_says_what_was_done_and_how_to_undo_it(folder, done):
    answer = done("apply", "plan.json", "--yes")
    assert "5 tables set aside" in answer.out
    assert "undo: lakebed restore --all" in answer.out
    assert "Rebuilding and comparing 5 of 5" in answer.err
    answer = done("restore", "--all", "--lake", "lake")
    assert "5 tables came back from quarantine" in answer.out


def test_a_plan_edited_by_hand(folder, refused):
    edit(folder, lambda values: values["tables"][0].update(decision="delete"))
    assert "changed after it was made" in refused("apply", "plan.json", "--yes")["what"]


def test_a_plan_of_another_version(folder, refused):
    edit(folder, lambda values: values.update(version=99))
    assert "another version" in refused("apply", "plan.json", "--yes")["what"]


def test_no_plan_at_all(folder, refused):
    refused("apply", "nothing.json", "--yes")
    (folder / "plan.json").write_text("[1")
    refused("apply", "plan.json", "--yes")


def test_a_plan_for_another_lake(folder, refused):
    shutil.copytree(folder / "lake", folder / "other")
    error = refused("apply", "plan.json", "--yes", "--lake", "other")
    assert "another lake" in error["what"]


def change(path, how):
    if how == "gone":
        path.unlink()
    elif how == "touched":
        os.utime(path, ns=(1, 1))
    else:
        facts, data = path.stat(), bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("how", ["gone", "other bytes", "touched"])
def test_a_table_that_vanished_or_changed_stays_alone_and_is_refused_by_name(folder, how, refused, done):
    change(folder / "lake" / "hr" / "ids.parquet", how)
    for named in (["hr/ids"], ["hr/ids", "sales/**"]):
        error = refused("apply", "plan.json", "--yes", *(word for glob in named for word in ("--only", glob)))
        assert "changed since the plan" in error["what"] and "hr/ids" in error["value"]
    assert refused("apply", "plan.json", "--dry-run", "--only", "hr/*")["value"].startswith("hr/ids: ")
    applied = done("apply", "plan.json", "--yes", "--json").json
    assert {one["table"] for one in applied["tables"]} == CHILDREN - {"hr/ids"}
    assert [one["table"] for one in applied["left"]] == ["hr/ids"]
    assert "changed since the plan" in applied["left"][0]["why"]


@pytest.mark.parametrize("how", ["gone", "other bytes", "touched"])
def test_a_parent_that_vanished_or_changed(folder, how, refused):
    change(folder / "lake" / "sales" / "orders.parquet", how)
    error = refused("apply", "plan.json", "--yes")
    assert "changed since the plan" in error["what"] and "sales/orders: sales/orders.parquet" in error["value"]


def test_a_full_quarantine(folder, refused):
    (folder / "lakebed.toml").write_text("[quarantine]\nmax_bytes = 10\n")
    assert "quarantine is full" in refused("apply", "plan.json", "--yes")["what"]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no second file system here")
def test_a_quarantine_on_another_file_system(folder, refused):
    (folder / "lakebed.toml").write_text('[quarantine]\nfolder = "/dev/shm/lakebed-tests"\n')
    assert "another file system" in refused("apply", "plan.json", "--yes")["what"]


def test_a_certificate_that_is_gone(folder, refused):
    shutil.rmtree(folder / "artifacts" / "containment")
    assert "rests on" in refused("apply", "plan.json", "--yes")["what"]


def test_a_certificate_that_is_another(folder, refused):
    def change(values):
        for table in values["tables"]:
            for evidence in table["evidence"]:
                evidence["certificate_sha256"] = "0" * 64

    edit(folder, change)
    plan = Plan.model_validate_json((folder / "plan.json").read_text()).sealed()
    write_plan(plan, folder / "plan.json")
    assert "certificate" in refused("apply", "plan.json", "--yes")["what"]


def test_what_is_not_confirmed_is_not_done(folder, refused, done):
    assert "not confirmed" in refused("apply", "plan.json", status=2)["what"]
    (folder / "lakebed.toml").write_text("[quarantine]\ngrace_days = 0\n")
    done("apply", "plan.json", "--yes")
    assert "not confirmed" in refused("purge", "--all", "--lake", "lake", status=2)["what"]


def test_a_restore_onto_an_existing_table(folder, refused, done):
    done("apply", "plan.json", "--yes")
    (folder / "lake" / "hr" / "ids.parquet").write_bytes(b"new")
    assert "place of a table" in refused("restore", "--all", "--lake", "lake")["what"]


def test_a_purge_before_its_time(folder, refused, done):
    done("apply", "plan.json", "--yes")
    assert "may not be purged yet" in refused("purge", "hr/ids", "--lake", "lake", "--yes")["what"]
    before = lying(folder)
    waiting = done("purge", "--all", "--lake", "lake", "--yes", "--json").json["waiting"]
    assert {entry["table"] for entry in waiting} == CHILDREN and lying(folder) == before
    assert all("may not be purged yet" in entry["why"] for entry in waiting)


def test_which_tables_must_be_said(folder, refused):
    refused("restore", "--lake", "lake", status=2)
    refused("purge", "x", "--all", "--lake", "lake", status=2)


def test_a_table_that_is_not_there(folder, refused):
    assert "no such table" in refused("restore", "nothing", "--lake", "lake")["what"]


def test_no_lake_is_named(folder, refused):
    error = refused("restore", "--all", status=2)
    assert "lake" in error["what"]


def test_purged_and_rebuilt(folder, done):
    (folder / "lakebed.toml").write_text("[quarantine]\ngrace_days = 0\n")
    before = files(folder)
    done("apply", "plan.json", "--yes")
    purged = done("purge", "--all", "--lake", "lake", "--yes", "--json").json
    assert set(purged["tables"]) == CHILDREN
    back = done("restore", "--all", "--lake", "lake", "--json").json
    assert set(back["rebuilt"]) == CHILDREN
    assert files(folder).keys() == before.keys()


def test_what_appeared_at_its_place_stays_and_the_old_table_comes_back_beside_it(folder, refused, done):
    done("apply", "plan.json", "--yes")
    place, rows = folder / "lake" / "hr" / "ids.parquet", lakebed_module.open_table(f"{folder}/lake/hr/ids")
    shutil.copy(folder / "lake" / "sales" / "orders.parquet", place)
    error = refused("restore", "hr/ids", "--lake", "lake")
    assert error["hint"].startswith("lakebed restore hr/ids --beside hr/ids_before --lake ")
    with pytest.warns(UserWarning, match="lakebed restore hr/ids --beside hr/ids_before"):
        assert lakebed_module.open_table(f"{folder}/lake/hr/ids").num_rows == 400
    assert lakebed_module.open_table(f"{folder}/lake/hr/_ids.lakebed.json").equals(rows)
    assert "one table" in refused("restore", "--all", "--beside", "x", "--lake", "lake", status=2)["what"]
    back = done("restore", "hr/ids", "--beside", "hr/ids_before", "--lake", "lake", "--json").json
    assert (back["moved"], back["beside"]) == (["hr/ids"], "hr/ids_before.parquet")
    assert lakebed_module.open_table(f"{folder}/lake/hr/ids_before").equals(rows)
    assert lakebed_module.open_table(f"{folder}/lake/hr/ids").num_rows == 400


def test_a_warning_is_said_once(folder, done):
    (folder / "lakebed.toml").write_text('[quarantine]\ngrace_days = 0\n[retention.pins]\nveto = ["nothing/*"]\n')
    for verb in (("apply", "plan.json", "--yes"), ("purge", "--all", "--lake", "lake", "--yes")):
        assert done(*verb).err.count("names no table: nothing/*") == 1

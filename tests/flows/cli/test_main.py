import json
import os
import signal
import subprocess
import sys

import pytest

from lakebed.connectors.errors import ArtifactError, ConfigError, ContractError, PlanError, StageError
from lakebed.flows.cli import main as module
from lakebed.flows.cli.main import VERBS, Stopped, main
from tests.flows.processes import REPOSITORY, lakebed, python

HEAVY = ("pyspark", "great_expectations", "prefect", "numba", "pyarrow", "deltalake", "pandas", "torch")


@pytest.fixture(autouse=True)
def _handlers():
    before = {number: signal.getsignal(number) for number in module.STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ended(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    return caught.value.code or 0, out, err


def raising(monkeypatch, error):
    def fail(**_):
        raise error

    monkeypatch.setattr(module, "app", fail)


def test_every_verb_is_listed_and_has_help(capsys):
    status, listed, _ = ended(capsys, "--help")
    assert status == 0
    for verb in VERBS:
        assert f" {verb.__name__} " in listed
        assert verb.__doc__
        status, out, _ = ended(capsys, verb.__name__, "--help")
        assert status == 0
        assert "--json" in out


def test_version(capsys):
    status, out, _ = ended(capsys, "--version")
    assert status == 0
    assert out.startswith("lakebed 0.")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StageError("s"), 1),
        (ArtifactError("a"), 1),
        (ConfigError("c"), 2),
        (ContractError("k"), 3),
        (PlanError("p"), 4),
    ],
)
def test_exit_status_and_one_json_object(monkeypatch, capsys, error, status):
    raising(monkeypatch, error)
    found, out, err = ended(capsys, "run", "--json")
    assert found == status
    assert json.loads(out) == error.as_dict()
    assert out.count("\n") == 1
    assert f"{type(error).__name__}: {error.what}" in err
    found, out, err = ended(capsys, "run")
    assert (found, out) == (status, "")


@pytest.mark.parametrize("arguments", [["run", "--nope"], ["nope"], ["status", "-n", "0"], ["run", "a", "b"]])
def test_a_wrong_command_line_is_status_2(capsys, arguments):
    status, out, err = ended(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "Usage" in err
    status, out, _ = ended(capsys, *arguments, "--json")
    assert status == 2
    assert json.loads(out)["error"] == "UsageError"


def test_a_fault_of_ours_still_ends_with_one_json_object(monkeypatch, capsys):
    raising(monkeypatch, ZeroDivisionError("oh"))
    status, out, err = ended(capsys, "run", "--json")
    assert (status, json.loads(out)) == (1, {"error": "ZeroDivisionError", "what": "oh"})
    assert err.startswith("Traceback")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_in_order(monkeypatch, capsys, number):
    def wait(**_):
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        except Exception:  # as a stage's own handling might do
            pytest.fail("a signal was taken for a failure")

    monkeypatch.setattr(module, "app", wait)
    status, out, err = ended(capsys, "run", "--json")
    assert status == 128 + number
    assert json.loads(out) == {"error": "Stopped", "what": number.name}
    assert "same command" in err
    # a second one ends the process whatever it does
    assert signal.getsignal(number) is signal.SIG_DFL


def test_stopped_is_no_exception():
    assert not issubclass(Stopped, Exception)


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments, tmp_path):
    assert loaded(arguments, tmp_path) == []


def test_doctor_loads_neither_spark_nor_great_expectations_nor_prefect(tmp_path):
    found = loaded(["doctor", "--json"], tmp_path)
    assert set(found) & {"pyspark", "great_expectations", "prefect", "numba"} == set()


def loaded(arguments, folder):
    code = f"""
import atexit, sys
atexit.register(lambda: sys.stderr.write("LOADED " + " ".join(n for n in {HEAVY} if n in sys.modules)))
from lakebed.flows.cli.main import main
main(sys.argv[1:])
"""
    answer = python(code, *arguments, folder=folder)
    assert "LOADED" in answer.err, answer.err
    return answer.err.rpartition("LOADED")[2].split()


def test_a_closed_pipe_is_no_traceback(tmp_path):
    command = ["bash", "-c", f"{sys.executable} -m lakebed.flows.cli.main config | head -n 1"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("#")
    assert "Traceback" not in done.stderr


def test_the_console_script_is_this(tmp_path):
    answer = lakebed("run", "--json", folder=tmp_path)
    assert answer.status == 2
    assert answer.json["what"] == "config key lake is missing"
    assert answer.err.startswith("ConfigError: ")


def test_a_signal_whose_exception_a_library_replaces_is_a_stop(capsys, monkeypatch):
    def fail(**_):
        try:
            signal.raise_signal(signal.SIGINT)
        except Stopped as stop:
            raise ValueError(f"while it was serialised: {stop}") from None

    monkeypatch.setattr(module, "app", fail)
    status, out, err = ended(capsys, "status", "--json")
    assert status == 128 + signal.SIGINT
    assert json.loads(out) == {"error": "Stopped", "what": "SIGINT"} and "goes on where it ended" in err
    raising(monkeypatch, ValueError("of the next call"))
    assert ended(capsys, "status")[0] == 1

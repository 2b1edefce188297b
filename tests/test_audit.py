"""What must hold for all of the code: nothing is unpickled, no config takes unknown keys, servers bind to loopback."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from pydantic import BaseModel

import lakebed.connectors
import lakebed.flows
import lakebed.tasks
from lakebed.config import LakebedConfig
from lakebed.connectors.config import FrozenConfig

ROOT = Path(__file__).parents[1]
FOLDERS = ("connectors", "flows", "tasks", "lakebed", "infra")
# module.function, or module.* ; what follows executes code that stands in the data
UNSAFE = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cPickle.loads", "dill.load", "dill.loads", "joblib.load",
    "cloudpickle.load", "cloudpickle.loads", "marshal.loads", "marshal.load", "shelve.open", "torch.load",
    "torch.jit.load", "pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "builtins.eval",
}  # fmt: skip
# between this process and its own children, through a pipe, a socket or Spark; never a file
ALLOWED = {
    ("connectors/lake/isolated.py", "pickle.load"),
    ("connectors/lake/isolated.py", "pickle.loads"),
    # on a Connect server's workers, what the client has sent: they run its code anyway
    ("connectors/spark/connect.py", "pickle.loads"),
    ("tasks/inventory/jobs.py", "pickle.loads"),
    ("tasks/scan/pool.py", "pickle.loads"),
    ("tasks/scan/server.py", "pickle.loads"),
    ("tasks/scan/spark.py", "pickle.loads"),
}
ANYWHERE = ("0.0.0.0", "::", "[::]")  # noqa: S104 - what may not be written


def sources():
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def calls(tree):
    """(dotted name, call) of each call; a name that was imported from a module stands with it."""
    origin = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield origin.get(name, f"builtins.{name}" if name in {"eval", "exec"} else name), node


def test_the_audit_sees_what_it_looks_for():
    tree = ast.parse("from pickle import loads\nimport torch\nloads(b'')\ntorch.load('x')\neval('1')")
    assert {name for name, _ in calls(tree)} & UNSAFE == {"pickle.loads", "torch.load", "builtins.eval"}
    assert len(sources()) > 200


def test_nothing_is_unpickled_but_answers_of_own_children():
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in sources()
        for name, _ in calls(ast.parse(path.read_text()))
        if name in UNSAFE
    }
    assert found == ALLOWED


def test_numpy_never_unpickles():
    for path in sources():
        for name, call in calls(ast.parse(path.read_text())):
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            assert given.get("allow_pickle") != "True", f"{path}:{call.lineno}"
            if name in {"np.load", "numpy.load"}:
                assert given.get("allow_pickle") == "False", f"{path}:{call.lineno}: say allow_pickle=False"


def test_shells_are_not_asked():
    for path in sources():
        for name, call in calls(ast.parse(path.read_text())):
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            assert given.get("shell", "False") == "False", f"{path}:{call.lineno}"
            assert name not in {"os.system", "os.popen"}, f"{path}:{call.lineno}"


def test_no_address_of_all_interfaces_is_written():
    for path in [path for path in sources() if path.parts[len(ROOT.parts)] != "infra"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in ANYWHERE, f"{path}:{node.lineno}"


def test_uvicorn_binds_to_loopback_where_nobody_says_otherwise():
    import uvicorn

    assert inspect.signature(uvicorn.Config).parameters["host"].default == "127.0.0.1"


def models(package):
    """Every model of a package's modules that the files of a lake or a config fill."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.rsplit(".", 1)[-1] in {"config", "artifacts", "plan", "receipt", "model", "record", "workspace"}:
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(found, BaseModel) and found.__module__ == module.name:
                    yield found


@pytest.mark.parametrize("package", [lakebed.connectors, lakebed.tasks, lakebed], ids=lambda package: package.__name__)
def test_no_model_of_config_and_artifacts_takes_unknown_keys(package):
    found = list(models(package))
    assert all(model.model_config.get("extra") == "forbid" for model in found), [
        model for model in found if model.model_config.get("extra") != "forbid"
    ]
    assert found or package is lakebed.connectors


def test_every_section_of_the_config_is_frozen_and_closed():
    assert LakebedConfig.model_config["extra"] == "forbid"
    sections = [field.annotation for field in LakebedConfig.model_fields.values() if inspect.isclass(field.annotation)]
    models_of = [section for section in sections if issubclass(section, BaseModel)]
    assert len(models_of) > 10
    assert all(issubclass(section, FrozenConfig) for section in models_of)

"""No module imports itself through others: neither when it is loaded nor when one of its functions is called."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("connectors", "data_samples", "flows", "lakebed", "tasks")
# circles that somebody is at work on; each must go, and none may come
KNOWN: set[frozenset[str]] = set()
Imports = dict[str, set[str]]


def modules(root: Path, folders: Iterable[str] = FOLDERS) -> dict[str, Path]:
    """Every production module by the name that it is imported under."""
    found = {}
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            # the folders are linked into lakebed/: each file counts once
            if not path.parent.resolve().is_relative_to(root / folder):
                continue
            named = parts if folder == "lakebed" else ("lakebed", *parts)
            found[".".join(named[:-1] if named[-1] == "__init__" else named)] = path
    return found


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of every import but those for type checkers, wherever it stands; the name may be empty."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield from imported(ast.Module([other], []))
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        else:
            yield from imported(node)


def import_graph(found: Mapping[str, Path]) -> Imports:
    """The modules that each module imports, a package's `__init__` only where a name of it is meant."""
    graph: Imports = {}
    for name, path in found.items():
        asked = imported(ast.parse(path.read_text(encoding="utf-8")))
        places = {f"{module}.{own}" if f"{module}.{own}" in found else module for module, own in asked}
        graph[name] = places & found.keys() - {name}
    return graph


def circles(graph: Imports) -> set[frozenset[str]]:
    """The strongly connected parts of two modules and more: what reaches each other both ways."""
    reached = {name: _reached(graph, name) for name in graph}
    parts = {frozenset({other for other in reached[name] if name in reached[other]} | {name}) for name in graph}
    return {part for part in parts if len(part) > 1}


def _reached(graph: Imports, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = graph[waiting.pop()] - seen
        seen |= fresh
        waiting += fresh
    return seen


def test_there_are_no_circles_of_imports():
    found = circles(import_graph(modules(ROOT)))
    assert found == KNOWN, "\n".join(" <-> ".join(sorted(part)) for part in found ^ KNOWN)


def test_circles_are_found_wherever_imports_stand(tmp_path):
    sources = {
        "a": "from lakebed.tasks.b import thing",
        "b": "def later():\n    from lakebed.tasks import c\n    return c",
        "c": "import lakebed.tasks.a",
        "d": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lakebed.tasks.e import thing",
        "e": "from lakebed.tasks.d import thing",
    }
    (tmp_path / "tasks").mkdir()
    for name, text in sources.items():
        (tmp_path / "tasks" / f"{name}.py").write_text(text)
    found = modules(tmp_path, ["tasks"])
    assert sorted(found) == [f"lakebed.tasks.{name}" for name in "abcde"]
    assert circles(import_graph(found)) == {frozenset(f"lakebed.tasks.{name}" for name in "abc")}


def test_every_module_is_looked_at():
    found = modules(ROOT)
    assert len(found) > 400
    assert {
        "lakebed",
        "lakebed.tasks.runtime.stage",
        "lakebed.flows.cli.main",
        "lakebed.connectors.storage",
    } <= found.keys()

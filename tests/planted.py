"""A working folder full of modules that nobody may import: of every name of ours, of our packages' and Python's own."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("flows", "tasks", "connectors", "data_samples")
OTHERS = (
    *("prefect", "pyspark", "numba", "numpy", "pyarrow", "pandas", "deltalake", "delta", "great_expectations", "scipy"),
    *("pydantic", "pydantic_settings", "typer", "rich", "jinja2", "psutil", "hnswlib", "uvicorn", "fastapi", "py4j"),
    *("obstore", "openlineage", "sqlalchemy", "grpc", "llvmlite", "site_tools", "infra", "tests"),
    *("socket", "typing", "json", "logging", "asyncio", "subprocess", "multiprocessing", "pickle", "tempfile", "runpy"),
)
TRAP = """
import os, sys
with open({marks!r}, "a") as marks:
    marks.write(__name__ + " from " + __file__ + " in " + " ".join(sys.orig_argv) + "\\n")
raise ImportError("a module of the working folder was imported: " + __name__)
"""


class Planted:
    """The folder, and what was imported from it all the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._marks = folder.parent / f"{folder.name}.imported"
        trap = TRAP.format(marks=str(self._marks))
        for path in (path for name in FOLDERS for path in (ROOT / name).rglob("*.py")):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(trap)
        for name in ("lakebed", *OTHERS):
            (folder / f"{name}.py").write_text(trap)

    @property
    def imported(self) -> str:
        """Who imported what; empty where nobody did."""
        return self._marks.read_text() if self._marks.exists() else ""

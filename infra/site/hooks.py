"""Pages of the site that are made from the code when it is built: the API reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[2]
TASKS = ROOT / "tasks"
# what fills numba's cache is nobody's interface
_LEFT_OUT = {"__init__", "compile", "compile_products"}
_PAGES = {
    "lakebed": "# lakebed\n\nWhat a program that uses lakebed's lakes imports.\n\n::: tasks.quarantine.reading.open_table\n",
    "encoding": "# Encoding\n\nCanonical cells, row hashes, multiset hashes and sketches: `tasks.encoding`.\n",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page a package."""
    for name, text in api_pages().items():
        files.append(File.generated(config, f"api/{name}.md", content=text))
    return files


def api_pages() -> dict[str, str]:
    """Name of each page → its Markdown."""
    kernels = {path.parent.name: path for path in sorted(TASKS.glob("*/kernel"))}
    stages = {path.parent.name: path for path in sorted(TASKS.glob("*/stage.py"))}
    pages = {name: _stage_page(name, stages.get(name), kernels.get(name)) for name in sorted({*kernels, *stages})}
    encoding = _PAGES["encoding"] + "".join(map(_module, _modules(TASKS / "encoding")))
    return {name: page for name, page in pages.items() if page} | {"lakebed": _PAGES["lakebed"], "encoding": encoding}


def _stage_page(name: str, stage: Path | None, kernel: Path | None) -> str:
    title = {"lakegraph": "Lake graph"}.get(name, name.capitalize())
    parts = [f"# {title}\n"]
    has_run = stage is not None and f"def run_{name}(" in stage.read_text()
    if has_run:
        parts.append(f"\n## The stage\n\n::: tasks.{name}.stage.run_{name}\n")
    if kernel is not None:
        parts.append("\n## Kernel\n\nPure algorithm: arrays in, arrays out.\n")
        parts += map(_module, _modules(kernel))
    return "".join(parts) if has_run or kernel else ""


def _modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.py")) if path.stem not in _LEFT_OUT and not path.stem.startswith("_")]


def _module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    options = "".join(f"        {line}\n" for line in ("heading_level: 3", "show_root_full_path: true"))
    return f"\n::: {name}\n    options:\n{options}"

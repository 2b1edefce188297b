"""What the site has beyond the pages in docs/: the API reference, made from the code when it is built."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
TASKS = ROOT / "tasks"
_LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\((\.\./[^)\s]+)\)")
_ITEM = re.compile(r"(?:[-*]|1\.) ")
_INNER = re.compile(r" {3}[-*] ")
# what fills numba's cache is nobody's interface
_LEFT_OUT = {"compile", "compile_products"}
_PAGES = {
    "lakebed": "# lakebed\n\nWhat `import lakebed` gives; [From Python](../python.md) shows it at work.\n",
    "encoding": "# Encoding\n\nCanonical cells, row hashes, multiset hashes, sketches: `lakebed.tasks.encoding`.\n",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page per package."""
    for name, text in api_pages().items():
        files.append(File.generated(config, f"api/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository that are no pages become the files' names: the site does not have them."""
    docs = Path(config.docs_dir).resolve()
    folder = (docs / page.file.src_uri).parent

    def shown(found: re.Match[str]) -> str:
        target = (folder / found[2].partition("#")[0]).resolve()
        if target.is_relative_to(docs) or not target.is_relative_to(docs.parent):
            return found[0]
        path = target.relative_to(docs.parent).as_posix()
        return f"`{path}`" if found[1].strip("`") in (path, target.name) else f"{found[1]} (`{path}`)"

    return with_room_before_lists(_LINK.sub(shown, markdown))


def with_room_before_lists(markdown: str) -> str:
    """Lists as GitHub reads them: one may start right below a paragraph, and one within "1. " is indented by three."""
    lines: list[str] = []
    is_code = False
    for text in markdown.splitlines():
        line = text
        is_code ^= line.startswith("```")
        before = lines[-1] if lines else ""
        is_first = _ITEM.match(line) and before.strip() and not _ITEM.match(before) and not before.startswith(" ")
        if not is_code and _INNER.match(line):
            line = f" {line}"
        lines += ["", line] if is_first and not is_code else [line]
    return "\n".join(lines) + "\n"


def api_pages() -> dict[str, str]:
    """Name of each page → its Markdown."""
    kernels = {path.parent.name: path for path in sorted(TASKS.glob("*/kernel"))}
    stages = {path.parent.name: path for path in sorted(TASKS.glob("*/stage.py"))}
    pages = {name: _stage_page(name, stages.get(name), kernels.get(name)) for name in sorted({*kernels, *stages})}
    encoding = _PAGES["encoding"] + "".join(map(_module, _modules(TASKS / "encoding")))
    return {name: page for name, page in pages.items() if page} | {"lakebed": _public_page(), "encoding": encoding}


def _public_page() -> str:
    """The public names, each where it is defined; what a lake answers it has from a class of its own."""
    found = re.findall(r"^    from ([\w.]+) import (.+)$", (ROOT / "lakebed" / "__init__.py").read_text(), re.MULTILINE)
    names = [f"{module}.{name}" for module, named in found for name in named.split(", ") if name != "errors"]
    inherited = "    options:\n        inherited_members: true\n"
    return _PAGES["lakebed"] + "".join(f"\n::: {name}\n{inherited}" for name in names)


def _stage_page(name: str, stage: Path | None, kernel: Path | None) -> str:
    title = {"lakegraph": "Lake graph"}.get(name, name.capitalize())
    parts = [f"# {title}\n"]
    has_config = stage is not None and "= StageDef(" in stage.read_text()
    if has_config:
        parts.append(f"\n## Settings\n\n::: lakebed.tasks.{name}.config\n")
    if kernel is not None:
        parts.append("\n## Kernel\n\nPure algorithm: arrays in, arrays out.\n")
        parts += map(_module, _modules(kernel))
    return "".join(parts) if has_config or kernel else ""


def _modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("[a-z]*.py")) if path.stem not in _LEFT_OUT]


def _module(path: Path) -> str:
    name = ".".join(("lakebed", *path.relative_to(ROOT).with_suffix("").parts))
    options = "".join(f"        {line}\n" for line in ("heading_level: 3", "show_root_full_path: true"))
    return f"\n::: {name}\n    options:\n{options}"

"""`lakebed config`: every setting as a commented TOML file."""

import json
from collections.abc import Iterator
from typing import Any

from lakebed.flows.cli.options import AsJson
from lakebed.flows.cli.output import print_json, print_text


def config(as_json: AsJson = False) -> None:
    """Print every setting with its default, range and meaning, as TOML; with --json, as a JSON schema."""
    from lakebed.config import LakebedConfig

    if as_json:
        print_json(LakebedConfig.model_json_schema())
        return
    print_text("\n".join(_section_lines(LakebedConfig, "")).strip())


def _section_lines(model: Any, prefix: str) -> Iterator[str]:
    """Plain fields first, then each section under its header; what has no default is left as a comment."""
    from pydantic import SecretStr

    sections = {}
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            sections[name] = field.annotation
            continue
        yield f"# {field.description}{_limits(field)}"
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        # a secret's default is not printed: it would be taken for one of the user's own
        yield f"# {name} =" if default is None or isinstance(default, SecretStr) else f"{name} = {_toml(default)}"
    for name, section in sections.items():
        path = f"{prefix}{name}"
        yield f"\n[{path}]"
        yield from _section_lines(section, f"{path}.")


def _limits(field: Any) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(rule, key)}" for rule in field.metadata for key, sign in signs.items() if hasattr(rule, key)
    ]
    return f" ({', '.join(found)})" if found else ""


def _toml(value: object) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)

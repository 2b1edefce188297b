"""Settings as the pages give them, against the models."""

import json
import re

import pytest

from lakebed.config import LakebedConfig
from tests.docs.pages import PAGES, ROOT, code_lines

ROW = re.compile(r"^\| `([a-z_.]+)` \| (none, required|`[^`]*`) \|", re.MULTILINE)
VARIABLE = re.compile(r"LAKEBED_([A-Z_]+__[A-Z_]+)")
DOTTED = re.compile(
    r"(?:lake|spark|inventory|containment|relations|retention|lakegraph|keys|topics|summary|embeddings|index|links|report|logging|lineage|security|incremental|gc)(?:\.[a-z_]+)+"
)


def _defaults(model, prefix):
    """Every key of a model with its default, None where it has none."""
    found = {}
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            found |= _defaults(field.annotation, f"{prefix}{name}.")
        else:
            found[prefix + name] = None if field.is_required() else field.get_default(call_default_factory=True)
    return found


def _keys():
    return _defaults(LakebedConfig, "")


@pytest.mark.parametrize(
    ("page", "sections"),
    [
        ("inventory.md", ("lake.", "inventory.")),
        ("containment.md", ("containment.",)),
        ("relations.md", ("relations.",)),
        ("retention.md", ("retention.",)),
        ("apply.md", ("quarantine.",)),
        ("lakegraph.md", ("lakegraph.",)),
        ("keys.md", ("keys.",)),
        ("topics.md", ("topics.",)),
        ("summary.md", ("summary.",)),
        ("embeddings.md", ("embeddings.",)),
        ("vector-index.md", ("index.",)),
        ("links.md", ("links.",)),
        ("observability.md", ("logging.", "lineage.")),
        ("security.md", ("security.",)),
        ("operations.md", ("incremental.",)),
        ("gc.md", ("gc.",)),
    ],
)
def test_stage_pages_list_every_setting_with_its_default(page, sections):
    listed = dict(ROW.findall((ROOT / "docs" / page).read_text()))
    wanted = {key: value for key, value in _keys().items() if key.startswith(sections)}
    assert listed.keys() == wanted.keys()
    for key, shown in listed.items():
        if wanted[key] is None:
            assert shown == "none, required"
        else:
            assert json.loads(shown.strip("`")) == json.loads(json.dumps(wanted[key], default=str)), key


def test_settings_named_anywhere_exist():
    keys = _keys()
    for page in PAGES:
        for code in code_lines(page):
            if DOTTED.fullmatch(code.split(" = ")[0]) and not code.endswith((".py", ".md", ".json", ".html")):
                named = code.split(" = ")[0]
                if named.startswith("spark.") and named.count(".") > 1:
                    continue  # Spark's own: ours have two parts
                assert any(key == named or key.startswith(f"{named}.") for key in keys), f"{page.name}: {code}"
            for variable in VARIABLE.findall(code):
                is_pattern = variable == "SECTION__KEY"
                assert is_pattern or variable.lower().replace("__", ".") in keys, f"{page.name}: {variable}"

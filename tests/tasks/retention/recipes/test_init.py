import re
from importlib import import_module

from lakebed.tasks.retention import recipes


def test_the_names_it_tells_are_where_it_says() -> None:
    told = re.findall(r"\b([a-z]+)\.([A-Za-z_]+)\(", recipes.__doc__ or "")
    assert len(told) > 15
    for module, name in told:
        assert hasattr(import_module(f"lakebed.tasks.retention.recipes.{module}"), name), f"{module}.{name}"

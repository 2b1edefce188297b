"""How to install what a part of lakebed needs beyond its own requirements."""

from importlib.metadata import requires


def extra_hint(name: str) -> str:
    """The command that installs an extra's packages, by lakebed's own metadata; the extra is named too."""
    parts = [line.partition(";") for line in requires("lakebed") or ()]
    wanted = [needed.strip() for needed, _, marker in parts if f'extra == "{name}"' in marker.replace("'", '"')]
    # an installation of before the extra has nothing of it in its metadata
    return f"pip install {' '.join(map(repr, wanted or [f'lakebed[{name}]']))} (the extra lakebed[{name}])"

"""The trees' file: JSON beside this module, with its notice and licence in `trees.LICENSE`."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.keys.kernel.features import FEATURES
from lakebed.tasks.keys.kernel.trees import Trees

FILE = Path(__file__).with_name("trees.json")
LICENCE = "CC-BY-SA-4.0"
NOTICE = (
    "Trained on databases of Spider (Tao Yu and others, Spider: A Large-Scale Human-Labeled Dataset for Complex and "
    "Cross-Domain Semantic Parsing and Text-to-SQL Task, EMNLP 2018; CC BY-SA 4.0) as they lie in "
    "LeLuven/MachineSpider (tables and columns translated to German by machine), with German and English names."
)
_NODES = ("feature", "threshold", "left", "right", "value")


def read_trees(path: Path = FILE) -> Trees | None:
    """The trees; None where the file is not there.

    Raises:
        ArtifactError: if the file is damaged, or made for other figures.
    """
    if not path.is_file():
        return None
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if tuple(held["features"]) != FEATURES:
            raise ValueError("its figures of a pair are others than this version counts")
        arrays: dict[str, Any] = {name: np.array(held[name]) for name in (*_NODES, "roots", "bag", "bias")}
        return Trees(**arrays, slope=float(held["slope"]), offset=float(held["offset"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            "the trees of the search for keys cannot be read",
            value=f"{path.name}: {error}"[:300],
            expected="the file that came with this version",
            hint='install lakebed again, or set keys.model = "rule"',
        ) from error


def write_trees(trees: Trees, path: Path = FILE, **facts: object) -> None:
    """Writes the file, figures of a pair and notice with it."""
    held: dict[str, object] = {"license": LICENCE, "notice": NOTICE, **facts, "features": FEATURES}
    held |= {name: _plain(getattr(trees, name)) for name in (*_NODES, "roots", "bag", "bias")}
    held |= {"slope": round(trees.slope, 6), "offset": round(trees.offset, 6)}
    lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in held.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _plain(numbers: np.ndarray[Any, Any]) -> list[float | int]:
    """As few digits as tell: seven that count."""
    if numbers.dtype.kind == "i":
        return [int(number) for number in numbers]
    return [float(f"{number:.7g}") for number in numbers]

"""Where the benchmark graphs lie, and how they are read."""

import gzip
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = (
    "protein",
    "facebook",
    "as-caida",
    "email-enron",
    "ca-astroph",
    "ca-condmat",
    "amazon-photo",
    "musae-squirrel",
    "blogcatalog",
    "ego-twitter",
)


def graph_folder() -> Path | None:
    """The folder that LAKEBED_GRAPHS names, else `shared/data/graphs` beside the repository; None without either."""
    given = os.environ.get("LAKEBED_GRAPHS")
    places = [Path(given)] if given else [_REPOSITORY.parent / "shared" / "data" / "graphs"]
    return next((place for place in places if place.is_dir()), None)


def default_graphs() -> list[Path]:
    """The graphs of the published table that are there."""
    folder = graph_folder()
    paths = [] if folder is None else [folder / f"{name}.tsv.gz" for name in NAMES]
    return [path for path in paths if path.exists()]


def read_edges(path: Path) -> NDArray[np.int64]:
    """An edge list, two numbers a line. Shapes: (m, 2)."""
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as stream:
        return np.loadtxt(stream, dtype=np.int64, ndmin=2)

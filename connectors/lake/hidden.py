"""Which names of a lake count: what begins with a point or an underscore is hidden, as in Spark.

So is what Excel keeps beside a workbook that somebody has open (`~$plan.xlsx`).
"""

DELTA_LOG = "_delta_log"
POINTER_ENDING = ".lakebed.json"
_HIDDEN = ("_", ".", "~$")


def is_visible(path: str) -> bool:
    """Whether a path below the root counts: no part of it is hidden, and it is no pointer file of old."""
    *folders, name = path.split("/")
    if DELTA_LOG in folders:
        folders, name = folders[: folders.index(DELTA_LOG)], name.lstrip("_")
    is_open = not any(part.startswith(("_", ".")) and not _is_open_folder(part) for part in folders)
    return is_open and not name.startswith(_HIDDEN) and not name.endswith(POINTER_ENDING)


def is_log(path: str) -> bool:
    """Whether a path lies in the log of a Delta table."""
    return DELTA_LOG in path.split("/")[:-1]


def _is_open_folder(name: str) -> bool:
    """Whether a folder counts although its name begins with an underscore: a Delta log, or a partition as in Spark."""
    return name == DELTA_LOG or (name.startswith("_") and "=" in name)

"""`open_table`: reads a table wherever it is: at its place, in quarantine, or made again from its parents in memory."""

import warnings
from typing import TYPE_CHECKING

from lakebed.connectors.errors import PlanError, SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.hidden import POINTER_ENDING
from lakebed.connectors.lake.listing import canonical_root, list_table
from lakebed.connectors.lake.model import TableSource
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.appeared import Appeared, appearance, taken_place
from lakebed.tasks.quarantine.journal import Journal
from lakebed.tasks.quarantine.mover import is_whole_at
from lakebed.tasks.quarantine.receipt import (
    DATA,
    Receipt,
    pointer_path,
    read_pointer,
    read_receipt,
    receipt_address,
)
from lakebed.tasks.quarantine.recipes import recipe_of
from lakebed.tasks.quarantine.restore import RECIPE

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebed.tasks.retention.recipes.model import TableRef

_TEXT = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
ENDINGS = ("", ".parquet", ".parq", ".pq", *_TEXT, *(f"{ending}.gz" for ending in _TEXT))


def open_table(path: str, lake: LakeConfig | None = None) -> "pa.Table":
    """The rows of a table of a lake, with the types that lakebed gives them.

    A table that was set aside is read from quarantine; one that was purged is rebuilt from its parents in memory. A
    table in the middle of a move is read where it is whole. Where something new was written in its place, that is read,
    with a warning that says how to have both; the path of the pointer names the old one. Everything is read; O(rows of
    the table and its parents).

    Args:
        path: of the table in the lake: its file, its folder, its name without the ending, or its pointer file.
        lake: how text is read, where the table is at its place; its root does not matter.

    Raises:
        SourceError: if there is neither a table nor a pointer to one, or it cannot be read.
        PlanError: if the table was purged and its parents have changed since.
        ArtifactError: if pointer or receipt is damaged.
    """
    folder, _, name = canonical_root(path).rpartition("/")
    storage = Storage.at(folder or "/", SourceError)
    for pointer in _pointers(name):
        if storage.stat(pointer) is not None and (rows := _set_aside(storage, pointer, name)) is not None:
            return rows
    for ending in ENDINGS:
        if name and storage.exists(name + ending):
            return _at_place(storage, name + ending, lake)
    raise SourceError(
        "there is no such table, and no pointer to one",
        value=path,
        expected="a table of a lake, or one that was set aside",
        hint="check the path; lakebed status --artifacts DIR lists what is in quarantine",
    )


def _pointers(name: str) -> list[str]:
    """The names that the pointer of a table may have, hidden and as of old, for a path with or without ending."""
    if name.endswith(POINTER_ENDING):
        return [name, f"_{name}"]
    stems = [name] + [name[: -len(ending)] for ending in ENDINGS if ending and name.lower().endswith(ending)]
    return [pointer for stem in dict.fromkeys(stems) if stem for pointer in (pointer_path(stem), stem + POINTER_ENDING)]


def _set_aside(storage: Storage, pointer: str, asked: str) -> "pa.Table | None":
    """The rows that a pointer stands for; None if that is another table, as `a.csv` is where `a.tsv` is asked for."""
    root, below = receipt_address(storage.root, read_pointer(storage, pointer))
    quarantine = Storage.at(root, SourceError)
    receipt = read_receipt(quarantine, below)
    names = (receipt.table.name, receipt.table.identity.path, receipt.pointer, receipt.table.name + POINTER_ENDING)
    if asked not in {name.rpartition("/")[2] for name in names}:
        return None
    lake_root = storage.uri(pointer).removesuffix(f"/{receipt.pointer}")
    if not asked.endswith(POINTER_ENDING) and (new := _new_at_place(lake_root, quarantine, receipt)):
        warnings.warn(new.told, stacklevel=3)
        return None
    lake = receipt.lake.model_copy(update={"root": lake_root})
    table = recipe_of(receipt.table).child
    if is_whole_at(quarantine, receipt, is_back=False):
        return _rows(lake.model_copy(update={"root": quarantine.uri(receipt.folder, DATA)}), table)
    if is_whole_at(Storage.at(lake_root, SourceError), receipt, is_back=True):
        return _rows(lake, table)
    return _rebuilt(lake, receipt, quarantine)


def _new_at_place(lake_root: str, quarantine: Storage, receipt: Receipt) -> Appeared | None:
    lake = Storage.at(lake_root, SourceError)
    # the journal is many objects, a place that nobody took is one question
    state = Journal.at(quarantine).states.get(receipt.entry) if taken_place(lake, receipt) else None
    return None if state is None else appearance(lake, state, receipt)


def _rebuilt(lake: LakeConfig, receipt: Receipt, quarantine: Storage) -> "pa.Table":
    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.rebuild import rebuild

    # no key is needed: rows are selected by the recipe, and the parents are held to their digests
    context = RecipeContext(lake, quarantine.uri(receipt.folder, RECIPE), b"")
    return rebuild(context, recipe_of(receipt.table))


def _at_place(storage: Storage, name: str, lake: LakeConfig | None) -> "pa.Table":
    from lakebed.tasks.retention.recipes.model import TableRef
    from lakebed.tasks.retention.recipes.refs import observe_again

    config = (lake or LakeConfig(root=".")).model_copy(
        update={"root": storage.root, "include": (), "exclude": (), "paranoid": False}
    )
    source = _source(config, name)
    wanted = TableRef(
        name=source.name, path=source.path, format=source.format, read_via="arrow", files=(), schema_ipc="", leaves=()
    )
    try:
        return _rows(config, observe_again(config, wanted))
    except PlanError as error:
        raise SourceError(error.what, value=error.value, expected=error.expected) from error


def _source(config: LakeConfig, name: str) -> TableSource:
    listing = list_table(config, name)
    found = discover(listing, config)
    tables = [table for table in found.tables if table.path == name]
    if len(tables) == 1:
        return tables[0]
    reasons = [problem.reason for problem in (*listing.problems, *found.unreadable) if problem.name == name]
    raise SourceError(
        "this is not one table",
        value=": ".join([f"{config.root}/{name}", *reasons[:1]]),
        expected="a file, a Delta table, or a folder with the files of one table",
        hint="give the path of one table",
    )


def _rows(lake: LakeConfig, ref: "TableRef") -> "pa.Table":
    from lakebed.connectors.lake.leaves import schema_leaves
    from lakebed.tasks.retention.recipes.reader import TableReader
    from lakebed.tasks.retention.recipes.shapes import assembled

    reader, ignore_case = TableReader(lake, ref), lake.ignore_column_case
    reader.require_whole_timestamps()
    tokens = [leaf.token for leaf in schema_leaves(reader.schema, ignore_case)]
    return assembled(reader.schema, reader.cells(tokens), ignore_case)

"""What is in the lake's books: each is opened to see its tables, once for as long as it is what it was."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from lakebed.connectors.errors import ArtifactError, SourceBusyError, SourceError
from lakebed.connectors.lake.batches import reason_of
from lakebed.connectors.lake.books import Book, Unread, book_files
from lakebed.connectors.lake.change import stamp
from lakebed.connectors.lake.discovery import Discovery, discover, format_of
from lakebed.connectors.lake.formats.ducklake_claims import unsure
from lakebed.connectors.lake.formats.staging import list_book, list_claims
from lakebed.connectors.lake.isolated import isolated
from lakebed.connectors.lake.listing import Listing
from lakebed.connectors.lake.model import BOOK_FORMATS, TableSource, Unreadable
from lakebed.connectors.object_client import has_client
from lakebed.connectors.uris import is_object_store
from lakebed.tasks.inventory.metadata import reason_text
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.previous import FOLDER, previous_artifact, read_kept, write_kept
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage

_Work = Callable[[str, TableSource], Book | SourceBusyError]
BOOKS = f"{FOLDER}/books.parquet"
_UNREAD = pa.struct([(name, pa.string()) for name in ("part", "format", "reason", "hint")])
_SCHEMA = pa.schema(
    [("path", pa.string()), ("state", pa.string()), ("parts", pa.list_(pa.string())), ("unread", pa.list_(_UNREAD))]
)


@dataclass(frozen=True)
class LakeBooks:
    """What is in each book, by its path, and a digest of what was listed of it."""

    contents: Mapping[str, Book] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)

    def save(self, stage: Stage) -> list[str]:
        """Writes what the next run may reuse; the file, if there is one."""
        rows = [
            {
                "path": path,
                "state": self.states[path],
                "parts": book.parts,
                "unread": [vars(one) for one in book.unread],
            }
            for path, book in self.contents.items()
            if not (book.error or book.is_other)
        ]
        if rows:
            write_kept(stage.store.storage, f"{stage.path}/{BOOKS}", pa.Table.from_pylist(rows, schema=_SCHEMA))
        return [BOOKS] if rows else []


def discover_with_books(stage: Stage, listing: Listing) -> tuple[Discovery, LakeBooks]:
    """The tables of the folder, those in books among them.

    Raises:
        SourceBusyError: if the store of the books does not answer.
    """
    lake = stage.workspace.lake
    found = discover(listing, lake)
    books = [source for source in found.tables if source.format in BOOK_FORMATS]
    left_out = _left_out(listing)
    if not (books or left_out):
        return found, LakeBooks()
    # what is left out is looked at for the files of the lake that it keeps
    states = {book.path: _state(book) for book in books} | {book.path: f"claims {_state(book)}" for book in left_out}
    known = {path: book for path, (state, book) in _previous(stage).items() if states.get(path) == state}
    new = [book for book in books if book.path not in known]
    new_out = [book for book in left_out if book.path not in known]
    with shown().step(f"Looking into {len(new) + len(new_out):,} files for their tables"):
        looked = [*_looked_into(listing.root, new, _listed), *_looked_into(listing.root, new_out, _claimed)]
        contents = {**known, **dict(zip((book.path for book in (*new, *new_out)), looked, strict=True))}
    return discover(listing, lake, contents), LakeBooks(contents, states)


def _left_out(listing: Listing) -> list[TableSource]:
    """Databases that the globs leave out: any may be the catalog of a DuckLake."""
    beside = {entry.path: entry for entry in (*listing.files, *listing.left_out)}
    formats = [(entry, format_of(entry.path)) for entry in listing.left_out]
    return [TableSource("", format_, book_files(entry, beside), entry.path) for entry, format_ in formats if format_]


def _looked_into(root: str, books: Sequence[TableSource], work: _Work) -> list[Book]:
    is_forked = not (is_object_store(root) and has_client())
    found = list(isolated(partial(work, root), books, _dead, is_forked=is_forked)) if books else []
    for one in found:
        if isinstance(one, SourceBusyError):
            raise one
    return [one for one in found if isinstance(one, Book)]


def _listed(root: str, book: TableSource) -> Book | SourceBusyError:
    try:
        return list_book(root, book.path, book.format)
    except SourceBusyError as error:
        return error
    except SourceError as error:
        return _claimed(root, book, Unreadable(book.path, book.format, reason_text(error), error.hint))
    except Exception as error:
        # whatever a library makes of foreign bytes
        return _claimed(root, book, _unreadable(book, reason_of(error)))


def _claimed(root: str, book: TableSource, why: Unreadable | None = None) -> Book | SourceBusyError:
    """What a book keeps of the lake's files, and why its tables are not read."""
    try:
        return list_claims(root, book.path, book.format, why)
    except SourceBusyError as error:
        return error
    except Exception as error:
        # as above
        return unsure(book.path, why or _unreadable(book, reason_of(error)))


def _dead(book: TableSource, why: str) -> Book:
    return unsure(book.path, _unreadable(book, why))


def _unreadable(book: TableSource, why: str) -> Unreadable:
    hint = "restore the file, or leave it out with `exclude` in the lake section of the config"
    return Unreadable(book.path, book.format, f"cannot read {book.path}: {why}", hint)


def _state(book: TableSource) -> str:
    state = canonical_json([book.format, [stamp(entry) for entry in book.files]])
    return hashlib.sha256(state.encode("utf-8", "surrogateescape")).hexdigest()


def _previous(stage: Stage) -> dict[str, tuple[str, Book]]:
    """State and contents of the books of the previous inventory, by path."""
    manifest = previous_artifact(stage, [BOOKS])
    if manifest is None:
        return {}
    try:
        rows = read_kept(stage.store.storage, f"{manifest.stage}/{manifest.key}/{BOOKS}").to_pylist()
    except ArtifactError:
        return {}
    return {
        row["path"]: (row["state"], Book(tuple(row["parts"]), tuple(Unread(**one) for one in row["unread"])))
        for row in rows
    }

"""Tables of text, and of files that are read whole, on their way to Parquet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, cast

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.discovery import apart
from lakebed.connectors.lake.formats.staging import Copy
from lakebed.connectors.lake.model import FILE_FORMATS, STAGED_FORMATS
from lakebed.tasks.inventory.kernel import TableFacts
from lakebed.tasks.inventory.metadata import LakeFacts, are_alike, type_overrides, with_partitions
from lakebed.tasks.inventory.text import text_facts
from lakebed.tasks.inventory.worker import BookUnit, FileUnit, Outcome, TextUnit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.connectors.lake.model import FileEntry, TableSource
    from lakebed.connectors.lake.statistics import FileFacts
    from lakebed.connectors.lake.text.model import TextFormat
    from lakebed.tasks.inventory.previous import Reuse
    from lakebed.tasks.runtime.stage import Stage

STAGED = "staged"


def data_files(source: TableSource) -> tuple[FileEntry, ...]:
    """The files that have the rows of a staged table: of a book not what lies beside it."""
    return source.files[:1] if source.part else source.files


def is_staged(source: TableSource) -> bool:
    """Whether a table is text, or of files that are read whole: such are staged as Parquet."""
    return source.format in STAGED_FORMATS


@dataclass
class Staging:
    """All copies that an inventory has.

    Relative paths of the copies are one per file, in table order, and so are `places`: the unit that makes each, and
    its place there; a book is one unit for all of its tables. `moved` are the copies that an earlier inventory made, by
    name of the table and path of the file; `kept` all that are there at the end.
    """

    sources: list[TableSource] = field(default_factory=list)
    units: list[TextUnit | FileUnit | BookUnit] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    books: dict[str, int] = field(default_factory=dict)
    moved: dict[tuple[str, str], str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, stage: Stage, tables: Sequence[TableSource], reuse: Reuse) -> Staging:
        """Plans the copies; their names depend on the lake only."""
        staging = cls()
        numbers = count()
        for source in filter(is_staged, tables):
            files = data_files(source)
            paths = [f"{STAGED}/{next(numbers):06d}.parquet" for _ in files]
            if source.name in reuse.tables:
                staging.moved |= {(source.name, entry.path): path for entry, path in zip(files, paths, strict=True)}
            else:
                staging._add(stage, source, paths)
        if staging.moved:
            reuse.move_copies(stage.path, staging.moved)
        staging.kept = list(staging.moved.values())
        return staging

    def _add(self, stage: Stage, source: TableSource, paths: list[str]) -> None:
        overrides = type_overrides(source.name, stage.workspace.lake)
        self.sources.append(source)
        self.paths += paths
        for entry, path in zip(data_files(source), paths, strict=True):
            out_path = f"{stage.folder}/{path}"
            if source.part:
                self._add_part(source, Copy(source.part, out_path))
                continue
            self.places.append((len(self.units), 0))
            if source.format in FILE_FORMATS:
                self.units.append(FileUnit(entry.path, source.format, out_path, entry.size))
            else:
                format_ = cast("TextFormat", source.format)
                self.units.append(TextUnit(entry.path, format_, out_path, overrides, entry.size))

    def _add_part(self, source: TableSource, copy: Copy) -> None:
        """A table of a book goes with the others of it."""
        book = source.files[0]
        number = self.books.setdefault(book.path, len(self.units))
        if number == len(self.units):
            self.units.append(BookUnit(book.path, source.format, (), book.size))
        unit = cast("BookUnit", self.units[number])
        self.places.append((number, len(unit.copies)))
        self.units[number] = replace(unit, copies=(*unit.copies, copy))

    def finish(self, outcomes: Sequence[Outcome], facts: LakeFacts, stage: Stage) -> None:
        """Enters the tables; the copies of those that turned out unreadable are deleted."""
        start, copies = 0, [outcomes[unit].of_copy(place) for unit, place in self.places]
        for source in self.sources:
            part = slice(start, start + len(data_files(source)))
            start = part.stop
            self.kept += _add_staged(facts, source, copies[part], self.paths[part], stage)
        for path in sorted(set(self.paths) - set(self.kept)):
            stage.store.storage.delete_file(f"{stage.spec.name}/{stage.key}/{path}")


def _add_staged(
    facts: LakeFacts, source: TableSource, outcomes: Sequence[Outcome], paths: Sequence[str], stage: Stage
) -> list[str]:
    """Enters a staged table, or its files by themselves where they turn out to be no parts; the copies to keep."""
    try:
        table = _staged_table(source, outcomes, paths, stage)
        if source.is_guess and not are_alike(table.files):
            raise SourceError("its files have other columns", value=source.name)
        facts.add(table)
    except SourceError as error:
        if not source.is_guess:
            facts.refuse(source, error)
            return []
        parts = zip(apart(source), outcomes, paths, strict=True)
        return [path for one, outcome, own in parts for path in _add_staged(facts, one, [outcome], [own], stage)]
    return [*paths] if source.name in facts.tables else []


def _staged_table(source: TableSource, outcomes: Sequence[Outcome], paths: Sequence[str], stage: Stage) -> TableFacts:
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors:
        raise as_source_error(errors[0])
    if source.format in FILE_FORMATS:
        facts = [cast("FileFacts", outcome.footers[0]) for outcome in outcomes]
        files = [replace(file, staged_path=path) for file, path in zip(facts, paths, strict=True)]
    else:
        scans = [outcome.scan for outcome in outcomes if outcome.scan is not None]
        files = text_facts(scans, paths, [outcome.row_groups for outcome in outcomes])
    return with_partitions(TableFacts(source, files, "staged"), stage.workspace.lake)


def as_source_error(error: Exception) -> SourceError:
    """The error of a table; whatever is no fault of the table ends the run."""
    if isinstance(error, SourceError) and not isinstance(error, SourceBusyError):
        return error
    raise error

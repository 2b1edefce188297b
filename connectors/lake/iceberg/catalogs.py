"""What catalogs of Iceberg tables say: which metadata file of a table counts, and which tables lie outside the lake."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from lakebed.connectors.errors import SourceError, first_line
from lakebed.connectors.extras import extra_hint
from lakebed.connectors.lake.databases import is_secret_property
from lakebed.connectors.lake.hidden import is_visible
from lakebed.connectors.lake.iceberg.metadata import is_catalogs
from lakebed.connectors.lake.iceberg.model import METADATA
from lakebed.connectors.lake.isolated import alive, isolated
from lakebed.connectors.lake.lake_root import LakeRoot, plain_path
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.object_client import has_client
from lakebed.connectors.paths import folders_above
from lakebed.connectors.redaction import redacted, remember_secrets
from lakebed.connectors.storage import Storage
from lakebed.connectors.uris import is_object_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lakebed.connectors.lake.databases import IcebergConfig
    from lakebed.connectors.lake.listing import Listing

Identifier = tuple[str, ...]
"""Namespaces and name of a table, as its catalog has them: each may hold dots itself."""

FORMAT: Final = "iceberg"
ASIDE: Final = "lakebed_quarantine"
"""Namespace of tables that are set aside."""
_MAX_DEPTH = 8
# in the place of a table's name
_ANY = "\0"
_ODD = frozenset('./"')
# by how its URI begins, or its type: the extra of lakebed that has a catalog's client
_EXTRAS = {"postgresql": "iceberg-postgresql", "thrift": "iceberg-hive", "hive": "iceberg-hive", "glue": "iceberg-glue"}

_Asked = tuple[str, "IcebergConfig"]


@dataclass
class CatalogTables:
    """What catalogs say of a lake.

    Attributes:
        pinned: the metadata file of each table in the lake's folder, by the table's folder.
        refused: folders of tables of which no catalog tells which metadata counts: catalogs say different things, name
            a file that is gone, or do not answer.
        sources: tables that lie elsewhere, with all files in their folders.
        problems: catalogs that do not answer, and tables that cannot be read.
    """

    pinned: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    sources: list[TableSource] = field(default_factory=list)
    problems: list[Unreadable] = field(default_factory=list)


@dataclass
class _Answer:
    """What one catalog says: the metadata file of each table, and what it fails at.

    Of that () is the catalog itself, and the name `_ANY` stands for all tables of a namespace.
    `aside` are those of tables that are set aside, as far as they are not purged.
    """

    places: dict[Identifier, str] = field(default_factory=dict)
    problems: dict[Identifier, Unreadable] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)


def catalog_tables(listing: Listing, catalogs: Mapping[str, IcebergConfig]) -> CatalogTables:
    """Asks the catalogs; one that does not answer is a problem, and so is a table that cannot be looked up.

    Each is asked in a process of its own, which is ended when it is silent for `isolated.STALL_S`: clients of catalogs
    wait for ever.

    Args:
        listing: of the lake's folder.
        catalogs: by name.
    """
    found, listed = CatalogTables(), {entry.path for entry in listing.files}
    failing: list[Unreadable] = []
    for name, answer in _answers(listing.root, catalogs):
        for table, place in answer.places.items():
            _place(found, listing, listed, f"{name}/{table_name(table)}", place)
        found.refused |= listing.icebergs & {_folder(listing.root, place) for place in answer.aside}
        failing += answer.problems.values()
    found.problems += failing
    if failing:
        _refuse_unknown(found, listing, failing[0].name)
    return found


def _answers(root: str, catalogs: Mapping[str, IcebergConfig]) -> Iterator[tuple[str, _Answer]]:
    """What each catalog says, by its name."""
    is_forked = not (is_object_store(root) and has_client())
    asked = sorted(catalogs.items())
    answers = isolated(_ask, asked, lambda item, reason: _silent(item[0], reason), is_forked=is_forked)
    yield from ((name, answer) for (name, _), answer in zip(asked, answers, strict=True))


@dataclass(frozen=True)
class Kept:
    """A name of a table in a catalog, and the metadata file that counts there, as the catalog writes it."""

    catalog: str
    table: Identifier
    metadata: str

    @property
    def told(self) -> str:
        """For messages: `prod/sales.orders`."""
        return f"{self.catalog}/{table_name(self.table)}"


@dataclass(frozen=True)
class Keepers:
    """Which catalogs keep the tables in a lake's folder.

    Attributes:
        tables: the names of each, by the folder below the root.
        elsewhere: the metadata file of each table that lies elsewhere on this machine, by `catalog/table`.
        silent: why not all catalogs answered; empty where all did.
    """

    tables: Mapping[str, tuple[Kept, ...]] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    silent: str = ""

    def doubt(self, folder: str) -> str:
        """Why it is not known by what one name a table goes, if by any; empty where it is."""
        if self.silent or len(self.tables.get(folder, ())) < 2:
            return self.silent
        return f"it has several names: {', '.join(one.told for one in self.tables[folder])}"


def keepers_of(root: str, catalogs: Mapping[str, IcebergConfig]) -> Keepers:
    """Asks the catalogs for all their tables, those that their globs leave out among them; see `catalog_tables`.

    What cannot be loaded of those that are left out is passed by.
    """
    whole = {name: one.model_copy(update={"include": (), "exclude": ()}) for name, one in catalogs.items()}
    tables: dict[str, tuple[Kept, ...]] = {}
    elsewhere, silent = dict[str, str](), ""
    for name, answer in _answers(root, whole):
        for table, place in answer.places.items():
            if (folder := _folder(root, place)) is not None:
                tables[folder] = (*tables.get(folder, ()), Kept(name, table, place))
            elif (path := plain_path(place)).startswith("/"):
                elsewhere[f"{name}/{table_name(table)}"] = path
        asked = (one for place, one in answer.problems.items() if _may_be_chosen(place, catalogs[name]))
        silent = silent or next((f"{one.name}: {one.reason}" for one in asked), "")
    return Keepers(tables, elsewhere, silent)


def table_name(table: Identifier) -> str:
    """How a table is called; a part with a dot in it is quoted, so that no two tables share a name."""
    return ".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' if _ODD & {*part} or not part else part for part in table)


def _folder(root: str, metadata: str) -> str | None:
    """The folder of a table below a lake's root, by its metadata file; None where it lies elsewhere."""
    folder, found, _ = f"/{LakeRoot(root).below(metadata) or ''}".rpartition(f"/{METADATA}/")
    return folder.strip("/") if found else None


def _refuse_unknown(found: CatalogTables, listing: Listing, failing: str) -> None:
    """Refuses the tables that some catalog keeps and none names while one fails: the newest file may be no version."""
    kept = {
        folder
        for entry in listing.files
        if is_catalogs(entry.path)
        for folder in folders_above(entry.path)
        if folder in listing.icebergs and entry.path.removeprefix(f"{folder}/").startswith(f"{METADATA}/")
    }
    for folder in sorted(kept - found.pinned.keys() - found.refused):
        found.refused.add(folder)
        reason = f"a catalog keeps it, and only the catalog knows which metadata counts, but {failing} gave no answer"
        hint = f"see what is said of {failing}, then lakebed run"
        found.problems.append(Unreadable(folder or ".", FORMAT, reason, hint))


def _ask(item: tuple[str, IcebergConfig]) -> _Answer:
    """What a catalog says; raises nothing."""
    answer = _Answer()
    try:
        _fill(answer, *item)
    except SourceError as error:
        answer.problems[()] = Unreadable(item[0], FORMAT, error.what, error.hint)
    except Exception as error:
        # whatever a catalog's client makes of its answer
        answer.problems |= _silent(item[0], _reason(error)).problems
    return answer


def _silent(name: str, reason: str) -> _Answer:
    hint = f"check [lake.iceberg.{name}] and the variables that it names"
    return _Answer(problems={(): Unreadable(name, FORMAT, f"the catalog does not answer: {reason}", hint)})


def _fill(answer: _Answer, name: str, config: IcebergConfig) -> None:
    """Enters each table's name in the catalog, and the place of its metadata file."""
    alive()
    catalog = loaded_catalog(name, config)
    alive()
    for namespace in _namespaces(answer, (name, config), catalog, (), 0):
        with _guarded(answer, name, (*namespace, _ANY), "its catalog cannot list its tables"):
            if namespace == (ASIDE,):
                answer.aside += _aside(catalog)
            else:
                _fill_namespace(answer, (name, config), catalog, namespace)


def _fill_namespace(answer: _Answer, item: _Asked, catalog: Any, namespace: Identifier) -> None:
    for identifier in sorted(catalog.list_tables(namespace)):
        if _is_chosen(identifier, item[1]):
            with _guarded(answer, item[0], identifier, "its catalog cannot load it"):
                answer.places[identifier] = catalog.load_table(identifier).metadata_location


@contextmanager
def _guarded(answer: _Answer, name: str, place: Identifier, what: str) -> Iterator[None]:
    """Notes what a catalog fails at, a table or anything of a namespace, which ends nothing else."""
    alive()
    shown = table_name(place[:-1] if place[-1] == _ANY else place)
    try:
        yield
    except Exception as error:
        # whatever a catalog's client makes of its answer
        hint = f"leave it out with `exclude` in [lake.iceberg.{name}]"
        answer.problems.setdefault(place, Unreadable(f"{name}/{shown}", FORMAT, f"{what}: {_reason(error)}", hint))


def loaded_catalog(name: str, config: IcebergConfig) -> Any:
    """The catalog, of which nothing is made, not even its own tables where it has none.

    Raises:
        SourceError: if a variable is not set, or what the catalog needs is not installed.
    """
    properties = _properties(name, config)
    try:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.exceptions import NotInstalledError
    except ModuleNotFoundError as error:
        raise _not_installed(error, properties) from error
    alive()
    try:
        return load_catalog(name, **{"init_catalog_tables": "false", **properties})
    except NotInstalledError as error:
        raise _not_installed(error, properties) from error


def _not_installed(error: Exception, properties: Mapping[str, str]) -> SourceError:
    kinds = (properties.get("uri", "").partition(":")[0].partition("+")[0], properties.get("type", "").lower())
    module = getattr(error.__cause__ or error, "name", None) or "pyiceberg"
    hint = extra_hint(next((_EXTRAS[kind] for kind in kinds if kind in _EXTRAS), "iceberg"))
    return SourceError(f"the package {module.partition('.')[0]} is not installed", hint=hint)


def _aside(catalog: Any) -> Iterator[str]:
    """The metadata files of tables that are set aside; that of one that was purged is gone."""
    for identifier in catalog.list_tables((ASIDE,)):
        alive()
        with suppress(Exception):
            yield catalog.load_table(identifier).metadata_location


def _properties(name: str, config: IcebergConfig) -> dict[str, str]:
    properties = dict(config.properties)
    for key, variable in config.properties_env.items():
        if variable not in os.environ:
            raise SourceError(f"the variable {variable} is not set", hint=f"set it, or change [lake.iceberg.{name}]")
        properties[key] = os.environ[variable]
        if is_secret_property(key):
            remember_secrets(properties[key], "secret")
    return properties


def _namespaces(answer: _Answer, item: _Asked, catalog: Any, above: Identifier, depth: int) -> Iterator[Identifier]:
    """The namespaces in one, each before those in it, without those that are left out as wholes.

    Raises:
        Exception: what the client makes of a catalog that cannot tell the first ones.
    """
    found, what = list[Identifier](), "its catalog cannot list its namespaces"
    with _guarded(answer, item[0], (*above, _ANY), what) if above else nullcontext():
        found = sorted(catalog.list_namespaces(above))
    for namespace in found:
        if namespace != above and not _is_left_out(namespace, item[1]):
            yield namespace
            if depth < _MAX_DEPTH:
                yield from _namespaces(answer, item, catalog, namespace, depth + 1)


def _is_chosen(identifier: Identifier, config: IcebergConfig) -> bool:
    table = ".".join(identifier)
    is_in = not config.include or any(fnmatchcase(table, glob) for glob in config.include)
    return is_in and not any(fnmatchcase(table, glob) for glob in config.exclude)


def _may_be_chosen(place: Identifier, config: IcebergConfig) -> bool:
    """Whether what a catalog fails at, itself or a namespace or a table, is something that it is asked for."""
    if not place or place[-1] == _ANY:
        return not place or not _is_left_out(place[:-1], config)
    return _is_chosen(place, config)


def _is_left_out(namespace: Identifier, config: IcebergConfig) -> bool:
    """Whether the globs leave out whatever is in a namespace; what is set aside is looked at all the same."""
    begin = f"{'.'.join(namespace)}."
    return namespace != (ASIDE,) and any(glob.endswith("*") and fnmatchcase(begin, glob) for glob in config.exclude)


def _place(found: CatalogTables, listing: Listing, listed: set[str], name: str, metadata: str) -> None:
    """Enters a table: as one of the lake's folders, or as one that lies elsewhere on this machine."""
    place, path = plain_path(metadata), LakeRoot(listing.root).below(metadata)
    folder, _, last = place.rpartition("/")[0].rpartition("/")
    if last != METADATA:
        found.problems.append(Unreadable(name, FORMAT, f"its metadata lies in no folder `{METADATA}`: {metadata}"))
    elif path is not None and (inner := _folder(listing.root, metadata)) is not None:
        _pin(found, listing, inner, path, name, listed)
    elif place.startswith("/"):
        files = tuple(_files(folder))
        found.sources.append(TableSource(name, FORMAT, files, folder, metadata=place))
    else:
        hint = "make its bucket or a folder of it the lake's root"
        found.problems.append(
            Unreadable(name, FORMAT, f"it lies on an object store outside of the lake: {metadata}", hint)
        )


def _pin(found: CatalogTables, listing: Listing, folder: str, metadata: str, name: str, listed: set[str]) -> None:
    if folder in found.refused or (folder not in listing.icebergs and Storage.at(listing.root).exists(metadata)):
        # the globs leave it out
        return
    if metadata not in listed:
        if folder in listing.icebergs:
            found.pinned.pop(folder, None)
            found.refused.add(folder)
        found.problems.append(Unreadable(name, FORMAT, f"the metadata file that its catalog names is gone: {metadata}"))
    elif found.pinned.setdefault(folder, metadata) != metadata:
        del found.pinned[folder]
        found.refused.add(folder)
        reason = f"catalogs name different metadata files of it, one is {name}"
        found.problems.append(Unreadable(folder or ".", FORMAT, reason, "see which of the catalogs is right"))


def _files(folder: str) -> Iterator[FileEntry]:
    for file in Storage.at(folder, SourceError).list_files():
        if is_visible(file.path):
            yield FileEntry(f"{folder}/{file.path}", file.size, file.mtime_ns)


def _reason(error: BaseException) -> str:
    return redacted(f"{type(error).__name__}: {first_line(error)[:200]}")

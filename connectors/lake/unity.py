"""Tables of a Unity Catalog: listed by its REST API, and read as files where they lie.

Source: the API of Unity Catalog 2.1 (`/api/2.1/unity-catalog/catalogs`, `/schemas`, `/tables`), each in pages.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from lakebed.connectors.errors import LakeError, SourceError, first_line
from lakebed.connectors.lake.databases import VIEW, UnityConfig
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.iceberg.catalogs import table_name
from lakebed.connectors.lake.isolated import alive, isolated
from lakebed.connectors.lake.located import as_files, files_at, is_below, path_of
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.object_client import has_client
from lakebed.connectors.redaction import redacted, remember_secrets
from lakebed.connectors.uris import is_object_store

_Told = Mapping[str, Any] | Unreadable
FORMAT: Final = "unity"
_API = "/api/2.1/unity-catalog"
_PAGE, _TIMEOUT_S, _MAX_BYTES = 100, 20.0, 1 << 26
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MAX_SILENT = 3
# its own catalog of what it holds
_SYSTEM = "information_schema"


@dataclass
class UnityTables:
    """The tables of catalogs that are read as files, with the files of their Delta logs, and what is not read."""

    sources: list[TableSource] = field(default_factory=list)
    logs: list[FileEntry] = field(default_factory=list)
    problems: list[Unreadable] = field(default_factory=list)


def unity_tables(root: str, catalogs: Mapping[str, UnityConfig]) -> UnityTables:
    """Asks the catalogs; what fails ends nothing else. A table below the lake's folder is left to the folder.

    Args:
        root: of the lake's folder, empty for none.
        catalogs: by the names that the lake gives them.
    """
    found = UnityTables()
    asked = sorted(catalogs.items())
    is_forked = not (is_object_store(root) and has_client())
    answers = isolated(_ask, asked, _dead, is_forked=is_forked)
    for (name, _), answer in zip(asked, answers, strict=True):
        for table in answer:
            if isinstance(table, Unreadable):
                found.problems.append(table)
            else:
                _enter(found, root, name, table)
    return found


def _enter(found: UnityTables, root: str, name: str, table: Mapping[str, Any]) -> None:
    """Takes a table in, as files, or with the reason why not."""
    shown = f"{name}/{table_name(_identifier(table))}"
    kind, format_ = str(table.get("table_type", "")), str(table.get("data_source_format", ""))
    location = str(table.get("storage_location") or "")
    if "VIEW" in kind:
        found.problems.append(Unreadable(shown, VIEW, "a view is not read", "read the tables that it is of"))
        return
    if is_below(location, root):
        return
    try:
        files = files_at(location) if path_of(location) else []
        columns = table.get("columns") or ()
        is_partitioned = any(one.get("partition_index") is not None for one in columns)
        located = as_files(shown, format_.lower(), location, files, is_partitioned=is_partitioned) if files else None
    except LakeError as error:
        found.problems.append(Unreadable(shown, FORMAT, f"it cannot be looked at: {first_line(error)}"))
        return
    if located is None:
        found.problems.append(_unread(shown, format_, location, has_files=bool(files)))
        return
    found.sources.append(located.source)
    found.logs += located.logs


def _unread(shown: str, format_: str, location: str, *, has_files: bool) -> Unreadable:
    if not path_of(location):
        hint = "make its bucket or a folder of it the lake's root"
        where = location or "a place that the catalog does not tell"
        return Unreadable(shown, FORMAT, f"it lies outside of the lake and of this machine: {where}", hint)
    if not has_files:
        return Unreadable(shown, FORMAT, f"there are no files where its catalog says: {location}", "see its catalog")
    hint = (
        "name the catalog's Iceberg endpoint in [lake.iceberg]" if format_ == "ICEBERG"
        else "make its folder a part of the lake's"
    )  # fmt: skip
    reason = f"of a catalog's tables elsewhere Delta is read, and Parquet without partitions; it is {format_}"
    return Unreadable(shown, FORMAT, reason, hint)


def _identifier(table: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(table["catalog_name"]), str(table["schema_name"]), str(table["name"])


def _ask(item: tuple[str, UnityConfig]) -> list[_Told]:
    """The chosen tables of a catalog as it tells them, and what it fails at; raises nothing."""
    asked = _Asked(*item)
    asked.walk()
    return asked.found


def _dead(item: tuple[str, UnityConfig], why: str) -> list[_Told]:
    return [_silent(item[0], item[0], why)]


def _silent(name: str, place: str, why: str) -> Unreadable:
    hint = f"check [lake.unity.{name}], and that the server runs"
    return Unreadable(place, FORMAT, redacted(f"the catalog does not answer: {why}"), hint)


@dataclass
class _Asked:
    """What the catalogs of a server tell; what fails costs its own catalog or schema, and ends nothing else."""

    name: str
    config: UnityConfig
    found: list[_Told] = field(default_factory=list)
    n_silent: int = 0

    def walk(self) -> None:
        """Asks for all that the globs choose."""
        with self._guarded():
            client = _Client(self.config)
            for catalog in client.all("catalogs"):
                self._catalog(client, str(catalog["name"]))

    def _catalog(self, client: "_Client", catalog: str) -> None:
        if self.config.catalogs and not matches_any(catalog, self.config.catalogs):
            return
        with self._guarded(catalog):
            for schema in client.all("schemas", {"catalog_name": catalog}):
                if schema["name"] != _SYSTEM:
                    self._schema(client, catalog, str(schema["name"]))

    def _schema(self, client: "_Client", catalog: str, schema: str) -> None:
        with self._guarded(catalog, schema):
            for table in client.all("tables", {"catalog_name": catalog, "schema_name": schema}):
                plain, config = ".".join(_identifier(table)), self.config
                is_in = not config.include or matches_any(plain, config.include)
                if is_in and not matches_any(plain, config.exclude):
                    self.found.append(table)

    @contextmanager
    def _guarded(self, *below: str) -> Iterator[None]:
        """Notes what fails at a place; a server that is silent for some of them is not asked for the next."""
        place = f"{self.name}/{table_name(below)}" if below else self.name
        try:
            yield
            self.n_silent = 0
        except SourceError as error:
            self.n_silent = 0
            self.found.append(Unreadable(place, FORMAT, redacted(f"{error.what}: {error.value}"), error.hint))
        except Exception as error:
            # whatever stands in an answer, or keeps one away
            self.n_silent += 1
            if below and self.n_silent >= _MAX_SILENT:
                raise
            self.found.append(_silent(self.name, place, f"{type(error).__name__}: {first_line(error)[:200]}"))


class _NoRedirect(HTTPRedirectHandler):
    """The token is for the catalog alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Client:
    """Asks a catalog page by page.

    Raises:
        SourceError: if the token is not there, or would be sent for all to read.
    """

    def __init__(self, config: UnityConfig) -> None:
        self._url, self._headers = config.url.rstrip("/"), {"Accept": "application/json"}
        self._open = build_opener(_NoRedirect).open
        if not config.token_env:
            return
        parts = urlsplit(config.url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise SourceError("a token is sent over https alone", value=config.url, hint="use https in `url`")
        token = os.environ.get(config.token_env)
        if not token:
            hint = f"set {config.token_env} in the environment of the run"
            raise SourceError("the token is missing", value=f"the variable {config.token_env} is not set", hint=hint)
        remember_secrets(token, "token")
        self._headers["Authorization"] = f"Bearer {token}"

    def all(self, kind: str, named: Mapping[str, str] | None = None) -> Iterator[Mapping[str, Any]]:
        """Everything of a kind, in the order of the catalog."""
        seen, page = set(), ""
        while page not in seen:
            seen.add(page)
            alive()
            answer = self._get(
                kind, {**(named or {}), "max_results": str(_PAGE), **({"page_token": page} if page else {})}
            )
            rows: Sequence[Mapping[str, Any]] = answer.get(kind) or ()
            yield from rows
            page = answer.get("next_page_token") or ""
            if not page:
                return
        raise SourceError("the catalog gives the same page again", value=kind, expected="pages that end")

    def _get(self, kind: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        request = Request(f"{self._url}{_API}/{kind}?{urlencode(query)}", headers=self._headers)  # noqa: S310 - checked
        try:
            with self._open(request, timeout=_TIMEOUT_S) as response:
                found: Mapping[str, Any] = json.loads(response.read(_MAX_BYTES))
        except HTTPError as error:
            hint = "check the token, and that its owner may see the catalog" if error.code in (401, 403) else ""
            raise SourceError("the catalog refuses", value=f"{error.code} {error.reason}: {kind}", hint=hint) from None
        return found

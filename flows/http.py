"""The same questions over HTTP: `python -P -m lakebed.flows.http` (extra `http`).

`LAKEBED_ARTIFACTS` names the artifact root. `/docs` shows the OpenAPI description. A new run's index is picked up
without a restart. Names and values are data: they are answered as JSON only.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from lakebed.answers import Answers
from lakebed.connectors.errors import ArtifactError, ConfigError, LakeError, SourceError
from lakebed.connectors.extras import extra_hint
from lakebed.quarantine import lake_settings
from lakebed.savings import Savings, savings_of
from lakebed.tasks.search.config import SearchConfig
from lakebed.tasks.search.lake_search import LakeSearch
from lakebed.tasks.search.model import Neighbour
from lakebed.tasks.search.query_file import KINDS_READ, TOO_LARGE, ask_file, file_lake, too_large
from lakebed.tasks.search.tables import Wanted

_BOUNDS = SearchConfig()
_NOT_FOUND = "there is nothing of this name in the index"

Name = Annotated[str, Query(min_length=1, max_length=_BOUNDS.max_text_chars)]
K = Annotated[int, Query(ge=1, le=_BOUNDS.max_k, description="How many answers.")]
Near = Annotated[bool, Query(description="Also what shares no value and is only near in the graph.")]

IsUnion = Annotated[bool, Query(description="Only tables that could be put under it.")]
IsNovel = Annotated[bool, Query(description="The same, those that would bring the most new rows first.")]


class TableAnswer(BaseModel):
    """A table near the asked one."""

    table: str
    share: float | None = Field(description="How much of what was asked about it holds; none for a text.")
    distance: float | None = Field(description="Of the vectors: 0 equal, 2 opposite.")
    why: dict[str, Any]


class ColumnAnswer(BaseModel):
    """A column near the asked one."""

    column: str
    share: float | None = Field(description="How much of the asked values it holds; none for a text.")
    distance: float | None = Field(description="Of the vectors, or of the texts.")
    why: dict[str, Any]


class Failure(BaseModel):
    """What went wrong, as on the command line."""

    error: str
    what: str
    value: str | None
    expected: str
    hint: str
    examples: list[str]


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE_TYPES = ("application/vnd.apache.parquet", "text/csv", "application/x-ndjson")
_FILE_BODY = {"requestBody": {"required": True, "content": dict.fromkeys(_FILE_TYPES, _BINARY)}}


class _Newest:
    """The search over the newest run's index; looks for a newer one at most once a second."""

    def __init__(self, root: str, refresh_s: float) -> None:
        self._answers, self._refresh_s = Answers(root), refresh_s
        self._lock = threading.Lock()
        self._looked = -float("inf")

    def get(self) -> LakeSearch:
        with self._lock:
            if time.monotonic() - self._looked >= self._refresh_s:
                self._search, self._looked = self._answers.search_index, time.monotonic()
            return self._search


def create_app(artifacts: str, refresh_s: float = 1.0) -> FastAPI:
    """The application over an artifact root.

    Args:
        artifacts: folder or prefix of the artifacts.
        refresh_s: seconds after which a newer index is looked for.
    """
    app, newest = FastAPI(title="lakebed search", version="1"), _Newest(artifacts, refresh_s)
    failures: dict[int | str, dict[str, Any]] = {code: {"model": Failure} for code in (400, 404, 503)}

    @app.exception_handler(LakeError)
    def _failed(_: Request, error: LakeError) -> JSONResponse:
        return JSONResponse(error.as_dict(), status_code=_status(error))

    @app.get("/similar", responses=failures)
    def similar(
        table: Name, k: K = 10, near: Near = False, union: IsUnion = False, novel: IsNovel = False
    ) -> list[TableAnswer]:
        """Tables most like a table, and which of their columns lie over its own; `why` is said of the answer."""
        found = newest.get().similar(table, k, near=near, union=union, novel=novel)
        return [TableAnswer.model_validate(one.as_dict()) for one in found]

    @app.post("/similar", responses=failures | {413: {"model": Failure}}, openapi_extra=_FILE_BODY)
    async def similar_to_file(
        request: Request, k: K = 10, near: Near = False, union: IsUnion = False, novel: IsNovel = False
    ) -> list[TableAnswer]:
        """The same for a Parquet, CSV or JSON lines file that is not in the lake: the file is the body."""
        with _received() as path:
            await _receive(request, path)
            found = await run_in_threadpool(_like_file, newest.get, path, Wanted(k, near, union, novel))
            return [TableAnswer.model_validate(one.as_dict()) for one in found]

    @app.get("/joinable", responses=failures)
    def joinable(column: Name, k: K = 10, near: Near = False) -> list[ColumnAnswer]:
        """Columns of other tables that a column can best be joined with; `why` is said of the answer."""
        return [ColumnAnswer.model_validate(found.as_dict()) for found in newest.get().joinable(column, k, near=near)]

    @app.post("/joinable", responses=failures | {413: {"model": Failure}}, openapi_extra=_FILE_BODY)
    async def joinable_to_file(request: Request, column: Name, k: K = 10) -> list[ColumnAnswer]:
        """The same for a column of a file that is not in the lake: the file is the body."""
        with _received() as path:
            await _receive(request, path)
            found = await run_in_threadpool(_join_file, newest.get, path, column, k)
            return [ColumnAnswer.model_validate(one.as_dict()) for one in found]

    @app.get("/search", responses=failures)
    def search(text: Name, k: K = 10) -> list[TableAnswer | ColumnAnswer]:
        """Tables and columns whose names or shared values are most like a text."""
        return [_answer(found) for found in newest.get().search(text, k)]

    @app.get("/savings", responses=failures)
    def savings() -> Savings:
        """What may go, what is set aside and still paid for, and what was purged: saved so far."""
        return savings_of(lake_settings(None, {"artifacts": artifacts}))

    return app


def app_from_environment() -> FastAPI:
    """The application over `LAKEBED_ARTIFACTS`, for a server's factory.

    Raises:
        ArtifactError: if the variable is not set.
    """
    root = os.environ.get("LAKEBED_ARTIFACTS", "")
    if not root:
        raise ArtifactError("LAKEBED_ARTIFACTS is not set", expected="the artifact root of a run")
    return create_app(root)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves it with uvicorn; uvicorn's own command would import from the working folder.

    Raises:
        ArtifactError: if `LAKEBED_ARTIFACTS` is not set.
        ConfigError: if uvicorn is not installed.
    """
    parser = argparse.ArgumentParser(prog="lakebed.flows.http", description="Answers questions over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; there is no authentication")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args(arguments)
    try:
        import uvicorn
    except ImportError as error:
        raise ConfigError("uvicorn is not installed", expected="the extra `http`", hint=extra_hint("http")) from error
    uvicorn.run(app_from_environment(), host=given.host, port=given.port)


def _status(error: LakeError) -> int:
    if error.what == _NOT_FOUND:
        return 404
    if error.what == TOO_LARGE:
        return 413
    return 400 if isinstance(error, ConfigError | SourceError) else 503


@contextmanager
def _received() -> Iterator[Path]:
    """Where a request's file lies until it is answered."""
    with tempfile.TemporaryDirectory(prefix="lakebed-http-") as folder:
        yield Path(folder) / "asked"


async def _receive(request: Request, path: Path) -> None:
    """Writes the body to `path`; stops at the bound, whatever length was promised.

    Raises:
        ConfigError: if the body is larger than a file may be.
    """
    n_bytes = 0
    with path.open("wb") as file:
        async for part in request.stream():
            n_bytes += len(part)
            if n_bytes > _BOUNDS.max_file_bytes:
                raise too_large(n_bytes, _BOUNDS)
            file.write(part)


def _like_file(newest: Callable[[], LakeSearch], path: Path, wanted: Wanted) -> list[Neighbour]:
    search = newest()
    with _unnamed(path):
        asked = ask_file(search, path)
    return search.similar_to(asked, wanted.k, near=wanted.near, union=wanted.union, novel=wanted.novel)


def _join_file(newest: Callable[[], LakeSearch], path: Path, column: str, k: int) -> list[Neighbour]:
    search = newest()
    with _unnamed(path):
        asked = file_lake(path)
    return search.joinable_to(*asked, column, k)


@contextmanager
def _unnamed(path: Path) -> Iterator[None]:
    """The asker knows no path of this machine, and need not."""
    try:
        yield
    except SourceError as error:
        what = error.what.replace(str(path), "it").replace(path.name, "it")
        raise SourceError(what, value="the body", expected=f"{KINDS_READ} with rows") from error


def _answer(found: Neighbour) -> TableAnswer | ColumnAnswer:
    model = TableAnswer if found.kind == "table" else ColumnAnswer
    return model.model_validate(found.as_dict())


if __name__ == "__main__":
    main()

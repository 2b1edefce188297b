"""The same questions over HTTP: `uvicorn --factory flows.http:app_from_environment` (extra `http`).

`LAKEBED_ARTIFACTS` names the artifact root. `/docs` shows the OpenAPI description. A new run's index is picked up
without a restart. Names and values are data: they are answered as JSON only.
"""

import os
import threading
import time
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from connectors.errors import ArtifactError, ConfigError, LakeError
from flows.artifacts import search_refs
from tasks.runtime.artifacts import ArtifactRef
from tasks.search.config import SearchConfig
from tasks.search.lake_search import LakeSearch
from tasks.search.model import Neighbour

_BOUNDS = SearchConfig()
_NOT_FOUND = "there is nothing of this name in the index"

Name = Annotated[str, Query(min_length=1, max_length=_BOUNDS.max_text_chars)]
K = Annotated[int, Query(ge=1, le=_BOUNDS.max_k, description="How many answers.")]


class TableAnswer(BaseModel):
    """A table near the asked one."""

    table: str
    distance: float | None = Field(description="Of the vectors: 0 equal, 2 opposite.")
    why: dict[str, Any]


class ColumnAnswer(BaseModel):
    """A column near the asked one."""

    column: str
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


class _Newest:
    """The search over the newest run's index; looks for a newer one at most once a second."""

    def __init__(self, root: str, refresh_s: float) -> None:
        self._root, self._refresh_s = root, refresh_s
        self._lock = threading.Lock()
        self._looked, self._refs = -float("inf"), dict[str, ArtifactRef]()
        self._search: LakeSearch | None = None

    def get(self) -> LakeSearch:
        with self._lock:
            if self._search is None or time.monotonic() - self._looked >= self._refresh_s:
                store, refs = search_refs(self._root)
                if self._search is None or refs != self._refs:
                    self._search, self._refs = LakeSearch(store, refs, _BOUNDS), refs
                self._looked = time.monotonic()
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
        code = 404 if error.what == _NOT_FOUND else 400 if isinstance(error, ConfigError) else 503
        return JSONResponse(error.as_dict(), status_code=code)

    @app.get("/similar", responses=failures)
    def similar(table: Name, k: K = 10) -> list[TableAnswer]:
        """Tables that hold most of a table's values, and those near it in the graph."""
        return [TableAnswer.model_validate(found.as_dict()) for found in newest.get().similar(table, k)]

    @app.get("/joinable", responses=failures)
    def joinable(column: Name, k: K = 10) -> list[ColumnAnswer]:
        """Columns of other tables that hold most of a column's distinct values."""
        return [ColumnAnswer.model_validate(found.as_dict()) for found in newest.get().joinable(column, k)]

    @app.get("/search", responses=failures)
    def search(text: Name, k: K = 10) -> list[TableAnswer | ColumnAnswer]:
        """Tables and columns whose names or shared values are most like a text."""
        return [_answer(found) for found in newest.get().search(text, k)]

    return app


def app_from_environment() -> FastAPI:
    """The application over `LAKEBED_ARTIFACTS`, for uvicorn's `--factory`.

    Raises:
        ArtifactError: if the variable is not set.
    """
    root = os.environ.get("LAKEBED_ARTIFACTS", "")
    if not root:
        raise ArtifactError("LAKEBED_ARTIFACTS is not set", expected="the artifact root of a run")
    return create_app(root)


def _answer(found: Neighbour) -> TableAnswer | ColumnAnswer:
    model = TableAnswer if found.kind == "table" else ColumnAnswer
    return model.model_validate(found.as_dict())

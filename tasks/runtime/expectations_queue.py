"""What is asked of Great Expectations, as files in the run's folder.

`runs/<run_id>/expectations/inbox/<name>.json` is one request: a published artifact, or a table of the lake for which
the user has written a suite. `expectations/suites.json` holds the user's suites of this run.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.errors import ConfigError
from lakebed.connectors.storage import Storage, join_uri
from lakebed.tasks.runtime.artifacts import ArtifactStore, Manifest
from lakebed.tasks.runtime.contract import Contract, Expectation
from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts

INBOX = "expectations/inbox"
VERDICTS = "expectations/verdicts"
SUITES = "expectations/suites.json"

LAKE_PREFIX = "lake-"


class TableRequest(FrozenConfig):
    """A table to validate: where it lies, how many rows it has if that is known, and its suite."""

    uri: str
    suite: str
    n_rows: int | None = None
    format: Literal["delta", "parquet"] = "delta"
    expectations: list[Expectation]


class Request(FrozenConfig):
    """What is asked: an artifact, or, with empty `digest` and `artifact`, tables of the lake."""

    name: str
    digest: str = ""
    artifact: str = Field("", description="Folder of the artifact, where its verdict is written.")
    tables: dict[str, TableRequest]

    @property
    def suite_digest(self) -> str:
        """SHA-256 of all that is expected: a verdict counts for the suites it was reached with."""
        suites = {name: table.expectations for name, table in self.tables.items()}
        return sha256_of_parts([canonical_json(suites).encode()])


class RequestVerdict(FrozenConfig):
    """The outcome of one request; `failed` means that it could not be validated."""

    name: str
    status: Literal["passed", "rejected", "failed"]
    seconds: float = 0.0
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)


class UserSuite(FrozenConfig):
    """A suite that the user adds: expectations of one table of the lake, or of one table of an artifact."""

    table: str = Field(description="`lake:PATH` (below the lake's root) or `artifact:STAGE/TABLE`.")
    expectations: list[Expectation] = Field(
        description="`type` and `kwargs` of each, as Great Expectations names them."
    )


def artifact_request(
    store: ArtifactStore, run_id: str, manifest: Manifest, contracts: Mapping[str, Contract]
) -> Request:
    """The request for a published artifact: its contracts' suites, and the user's of this run."""
    added = {suite.table: suite.expectations for suite in user_suites(Storage.at(store.storage.uri("runs", run_id)))}
    tables = {
        name: TableRequest(
            uri=store.storage.uri(manifest.stage, manifest.key, name),
            suite=f"{contracts[name].name} v{contracts[name].version}",
            n_rows=entry.n_rows,
            expectations=contracts[name].expectations() + added.get(f"artifact:{manifest.stage}/{name}", []),
        )
        for name, entry in manifest.tables.items()
    }
    return Request(
        name=f"{manifest.stage}-{manifest.key}",
        digest=manifest.digest,
        artifact=store.folder(manifest.stage, manifest.key),
        tables=tables,
    )


def enqueue(run_folder: Storage, request: Request) -> None:
    """Put one request into a run's inbox."""
    run_folder.write_bytes_atomic(f"{INBOX}/{request.name}.json", request.model_dump_json(indent=1).encode())


def has_requests(run_folder: str) -> bool:
    """Whether anything is queued in this run; if not, the process need not be started."""
    return bool(queued(Storage.at(run_folder)))


def queued(run_folder: Storage) -> list[str]:
    """The paths of the requests that wait, oldest first."""
    if run_folder.is_local and not run_folder.exists(INBOX):
        return []
    files = [file for file in run_folder.list_files(INBOX) if is_request(file.path)]
    return [file.path for file in sorted(files, key=lambda file: (file.mtime_ns, file.path))]


def is_request(path: str) -> bool:
    """Whether a file of the inbox is a whole request, not one that is being written."""
    return path.endswith(".json") and not path.rsplit("/", 1)[-1].startswith(".")


def install_suites(run_folder: str, directory: str, lake_root: str) -> list[str]:
    """Take the user's suites into a run and queue those for tables of the lake.

    Args:
        run_folder: `<root>/runs/<run_id>`.
        directory: folder of JSON files, each one `UserSuite`.
        lake_root: the lake's root.

    Returns:
        The names of the queued requests, to wait for before containment.

    Raises:
        ConfigError: if the folder or a suite cannot be read, or a lake table is neither Parquet nor Delta.
    """
    storage = Storage.at(run_folder)
    suites = [(path.stem, _load_suite(path)) for path in _suite_files(directory)]
    storage.write_bytes_atomic(SUITES, TypeAdapter(list[UserSuite]).dump_json([suite for _, suite in suites]))
    requests = [_lake_request(name, suite, lake_root) for name, suite in suites if suite.table.startswith("lake:")]
    for request in requests:
        enqueue(storage, request)
    return [request.name for request in requests]


def user_suites(run_folder: Storage) -> list[UserSuite]:
    """The user's suites that were taken into this run."""
    data = run_folder.read_if_there(SUITES)
    return [] if data is None else TypeAdapter(list[UserSuite]).validate_json(data)


def _suite_files(directory: str) -> Iterator[Path]:
    folder = Path(directory)
    if not folder.is_dir():
        raise ConfigError("the folder of expectation suites does not exist", value=directory, hint="check the path")
    yield from sorted(folder.glob("*.json"))


def _load_suite(path: Path) -> UserSuite:
    try:
        suite = UserSuite.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            "an expectation suite cannot be read",
            value=str(path),
            expected='{"table": "lake:PATH" or "artifact:STAGE/TABLE", "expectations": [{"type": …, "kwargs": {…}}]}',
            examples=str(error).splitlines(),
        ) from error
    if not suite.table.startswith(("lake:", "artifact:")):
        raise ConfigError(
            f"the suite {path.name} names no table", value=suite.table, expected="lake:PATH or artifact:STAGE/TABLE"
        )
    return suite


def _lake_request(name: str, suite: UserSuite, lake_root: str) -> Request:
    path = suite.table.removeprefix("lake:")
    lake = Storage.at(lake_root, ConfigError)
    is_delta = lake.exists(f"{path}/_delta_log")
    if not lake.exists(path) or not (is_delta or _is_parquet(lake, path)):
        raise ConfigError(
            f"the suite {name} names a lake table that is neither Parquet nor Delta",
            value=join_uri(lake_root, path),
            expected="the path of a Parquet file, a folder of them, or a Delta table, below the lake's root",
        )
    table = TableRequest(
        uri=join_uri(lake.root, path),
        suite=name,
        format="delta" if is_delta else "parquet",
        expectations=suite.expectations,
    )
    return Request(name=f"{LAKE_PREFIX}{name}", tables={path: table})


def _is_parquet(lake: Storage, path: str) -> bool:
    if path.endswith(".parquet"):
        return True
    is_folder = path.rpartition("/")[2] in lake.list_folders(path.rpartition("/")[0])
    return is_folder and any(file.path.endswith(".parquet") for file in lake.list_files(path))

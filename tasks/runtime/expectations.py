"""Great Expectations beside the run: a process of its own, because its import alone takes 11-24 s.

A published artifact is queued as a JSON file in `runs/<run_id>/expectations/inbox`; the process
(`expectations_worker.py`) writes its verdict beside the artifact's manifest and a data docs site into the run's folder.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from connectors.config import FrozenConfig
from connectors.errors import ArtifactError, ContractError
from connectors.storage import Storage
from tasks.runtime.artifacts import ArtifactRef, ArtifactStore, Manifest
from tasks.runtime.contract import Contract, Expectation

INBOX = "expectations/inbox"
SUMMARY = "expectations/verdicts.json"
DOCS = "expectations/docs"
LOG = "expectations/worker.log"
FINISH = b"finish\n"


class TableRequest(FrozenConfig):
    """A table to validate: where it lies, how many rows it has, and its suite."""

    uri: str
    suite: str
    n_rows: int | None = None
    format: Literal["delta", "parquet"] = "delta"
    expectations: list[Expectation]


class Request(FrozenConfig):
    """What is asked of the process: an artifact, or (with no `verdict_path`) tables of the lake."""

    name: str
    digest: str = ""
    verdict_path: str = Field("", description="Where the artifact's verdict is written; empty for lake tables.")
    tables: dict[str, TableRequest]


class RequestVerdict(FrozenConfig):
    """The outcome of one request."""

    name: str
    status: Literal["passed", "rejected", "failed"]
    seconds: float = 0.0
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Verdicts(FrozenConfig):
    """All outcomes of a run. `failed` means that Great Expectations itself did not get through."""

    status: Literal["passed", "rejected", "failed"]
    seconds: float
    docs: str = ""
    reason: str = ""
    requests: tuple[RequestVerdict, ...] = ()

    def require_passed(self) -> None:
        """Let the run end well only if every verdict is in and none is a rejection.

        Raises:
            ContractError: if an artifact or a table was rejected.
            ArtifactError: if the process did not get through.
        """
        if self.status == "rejected":
            names = [request.name for request in self.requests if request.status == "rejected"]
            raise ContractError(
                f"Great Expectations rejected {len(names)} of {len(self.requests)} requests; "
                "the artifacts among them are not reused",
                examples=names,
                hint=f"open {self.docs}" if self.docs else "see expectations/verdicts.json in the run's folder",
            )
        if self.status == "failed":
            raise ArtifactError(
                "Great Expectations did not finish, so the run is not complete",
                value=self.reason,
                hint="run the same command again: what has no verdict is checked then",
            )


def enqueue(store: ArtifactStore, run_id: str, manifest: Manifest, contracts: Mapping[str, Contract]) -> None:
    """Queue a published artifact for validation in run `run_id`."""
    tables = {
        name: TableRequest(
            uri=store.storage.uri(manifest.stage, manifest.key, name),
            suite=f"{contracts[name].name} v{contracts[name].version}",
            n_rows=entry.n_rows,
            expectations=contracts[name].expectations(),
        )
        for name, entry in manifest.tables.items()
    }
    folder = store.folder(manifest.stage, manifest.key)
    request = Request(
        name=f"{manifest.stage}-{manifest.key}", digest=manifest.digest, verdict_path=folder, tables=tables
    )
    enqueue_request(Storage.at(store.storage.uri("runs", run_id)), request)


def enqueue_request(run_folder: Storage, request: Request) -> None:
    """Put one request into a run's inbox."""
    run_folder.write_bytes_atomic(f"{INBOX}/{request.name}.json", request.model_dump_json(indent=1).encode())


def has_requests(run_folder: str) -> bool:
    """Whether anything is queued in this run; if not, the process need not be started."""
    return any(file.path.endswith(".json") for file in Storage.at(run_folder).list_files(INBOX))


def verdict(store: ArtifactStore, ref: ArtifactRef) -> Literal["passed", "rejected"] | None:
    """The verdict on an artifact's content; None if there is none yet."""
    found = store.verdict(ref)
    return found.status if found else None

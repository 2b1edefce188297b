"""OpenLineage events of a run: to a file of the run always, to a URL beside it.

One job for the run, one for each stage under it. A stage that is reused before the run begins has not run and sends
nothing. Ids of runs are made from ours, so that the next run can end what a killed one has begun.
Events are built with the models of `openlineage-python`.
"""

import contextlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import wraps
from importlib import metadata
from typing import TYPE_CHECKING, Any, ParamSpec
from urllib.parse import urlsplit

from lakebed.connectors.errors import LakeError
from lakebed.connectors.redaction import redacted, redacted_value
from lakebed.connectors.storage import Storage, is_object_store
from lakebed.connectors.version import VERSION
from lakebed.tasks.runtime.artifacts import Manifest
from lakebed.tasks.runtime.config import LineageConfig
from lakebed.tasks.runtime.lineage_post import Poster
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.record import utc_now

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

EVENTS = "openlineage.jsonl"
RUN_JOB = "run"
PRODUCER = "urn:lakebed:lineage"
MAX_FIELDS = 200
MAX_MESSAGE_CHARS = 4000

P = ParamSpec("P")
_NAMESPACE = uuid.UUID("6f1f4f0e-5d0c-5b43-9a5e-6c616b656264")


@dataclass(frozen=True)
class LakeTable:
    """A table of the lake as an event names it, with (column, type) in order."""

    namespace: str
    name: str
    columns: tuple[tuple[str, str], ...] = ()


def _never_fails(method: Callable[P, None]) -> Callable[P, None]:
    """Lineage is about the run, not of it: what goes wrong here is said, and the run goes on."""

    @wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:
            shown().note(f"warning: no lineage event of this step: {_message(error)}")

    return guarded


class Lineage:
    """The events of one run, made and written in order by a thread of their own: the run waits for them at its end."""

    def __init__(self, run_folder: str, run_id: str, config: LineageConfig, lake_root: str) -> None:
        self.config = config
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="lineage")
        self.run_id = run_id
        self._storage = Storage.at(run_folder)
        self._lake_root = lake_root
        self._lines: list[str] = []
        self._open: list[str] = []
        self._poster = Poster(config) if config.enabled and config.url else None

    def is_open(self, stage: str = "") -> bool:
        """Whether a run or stage has begun and not ended."""
        return stage in self._open

    def start(self, stage: str = "") -> None:
        """A run, or a stage of it, begins."""
        if self.config.enabled:
            self._open.append(stage)
            self._later(stage, "START", lambda: Told([] if stage else lake_datasets(self._lake_root)))

    def complete(self, stage: str = "", made: "Callable[[], Made] | None" = None) -> None:
        """It is done; `made` tells what a stage read and wrote. Nothing where it was not begun."""
        if not self.is_open(stage):
            return
        self._open.remove(stage)
        if made is None:
            self._later(stage, "COMPLETE", lambda: Told(lake_datasets(self._lake_root)))
        else:
            self._later(stage, "COMPLETE", lambda: made().told(self._lake_root))

    def fail(self, error: BaseException) -> None:
        """What is open has failed, or was aborted where somebody stopped it; the stage ends before the run."""
        ending, message = "FAIL" if isinstance(error, Exception) else "ABORT", _message(error)
        while self._open:
            self._later(self._open.pop(), ending, lambda: Told(facets={"errorMessage": _error_facet(message)}))

    def settle(self) -> None:
        """Waits until what has been told is in the file."""
        self._writer.submit(bool).result()

    @_never_fails
    def close(self) -> None:
        """Waits until all is written, and a little for what is not delivered; says so where something is not."""
        self._writer.shutdown()
        if self._poster is None:
            return
        if problem := self._poster.close():
            shown().note(f"warning: {problem}; all events are in {self._storage.uri(EVENTS)}")

    @_never_fails
    def abort_dead(self, run_ids: Iterable[str], runs: Storage, folder: str) -> None:
        """Ends what runs that died have begun, in their own files and at the URL.

        Args:
            run_ids: of runs whose processes are gone.
            runs: storage of the artifact root.
            folder: of the runs below it.
        """
        if not self.config.enabled:
            return
        for run_id in run_ids:
            with contextlib.suppress(LakeError, ValueError, KeyError, TypeError):
                self._abort(run_id, runs, f"{folder}/{run_id}/{EVENTS}")

    def _abort(self, run_id: str, storage: Storage, path: str) -> None:
        from openlineage.client.serde import Serde

        if storage.stat(path) is None:
            return
        lines = storage.read_bytes(path).decode().splitlines()
        begun = open_events([json.loads(line) for line in lines])
        died = Serde.to_dict(_error_facet("the process ended without saying why; the next run saw it"))
        ends = [
            {**event, "eventType": "ABORT", "eventTime": utc_now(), "run": _with_facet(event["run"], errorMessage=died)}
            for event in begun
        ]
        if ends:
            lines += map(json.dumps, ends)
            storage.write_bytes_atomic(path, "".join(f"{line}\n" for line in lines).encode())
            for end in ends:
                self._post(end)

    def _later(self, stage: str, kind: str, told: "Callable[[], Told]") -> None:
        self._writer.submit(self._send, utc_now(), stage, kind, told)

    @_never_fails
    def _send(self, time: str, stage: str, kind: str, told: "Callable[[], Told]") -> None:
        from openlineage.client.serde import Serde

        found = told()
        event = run_event(self.run_id, stage, kind, self.config.namespace, found.facets)
        event.eventTime, event.inputs, event.outputs = time, list(found.inputs), list(found.outputs)
        facts = redacted_value(Serde.to_dict(event))
        self._lines.append(json.dumps(facts))
        self._storage.write_bytes_atomic(EVENTS, "".join(f"{one}\n" for one in self._lines).encode())
        self._post(facts)

    def _post(self, event: dict[str, Any]) -> None:
        if self._poster is not None:
            self._poster.put(event)


@dataclass(frozen=True)
class Told:
    """What an event says beside its run: the datasets that were read and written, and facets of the run."""

    inputs: "Sequence[InputDataset]" = ()
    outputs: "Sequence[OutputDataset]" = ()
    facets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What a stage read and wrote.

    Attributes:
        root: of the artifacts.
        manifest: of the stage's artifact.
        schemas: (column, type) of its tables, by name.
        is_reused: whether an artifact that was there already took its place; then nothing was written.
        read: manifests of the artifacts that it read.
        lake_tables: the biggest tables of the lake that it read.
        n_lake_tables: how many it read in all; None where it reads artifacts only.
    """

    root: str
    manifest: Manifest
    schemas: Mapping[str, Sequence[tuple[str, str]]]
    is_reused: bool = False
    read: tuple[Manifest, ...] = ()
    lake_tables: tuple[LakeTable, ...] = ()
    n_lake_tables: int | None = None

    def told(self, lake_root: str) -> Told:
        """As an event says it."""
        return Told(self.inputs(lake_root), self.outputs())

    def inputs(self, lake_root: str) -> "list[InputDataset]":
        """The lake's root, its biggest tables, and the tables of the artifacts that were read."""
        found: list[InputDataset] = []
        if self.n_lake_tables is not None:
            named = f"{len(self.lake_tables):,} of them, the biggest, are named in this event"
            found += lake_datasets(lake_root, f"{self.n_lake_tables:,} tables; {named}")
            found += [_input(one.namespace, one.name, _schema_facet(one.columns)) for one in self.lake_tables]
        for manifest in self.read:
            found += [
                _input(*dataset_name(self.root, manifest.stage, manifest.key, name), {}) for name in manifest.tables
            ]
        return found

    def outputs(self) -> "list[OutputDataset]":
        """The artifact's Delta tables, with rows and bytes where they were written now."""
        from openlineage.client.event_v2 import OutputDataset
        from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

        found = []
        for name, entry in self.manifest.tables.items():
            namespace, path = dataset_name(self.root, self.manifest.stage, self.manifest.key, name)
            wrote = statistics.OutputStatisticsOutputDatasetFacet(
                rowCount=entry.n_rows, size=entry.n_bytes, fileCount=entry.n_files, producer=PRODUCER
            )
            facets = {**_schema_facet(self.schemas.get(name, ())), **_version_facet(self.manifest)}
            found.append(
                OutputDataset(
                    namespace=namespace,
                    name=path,
                    facets=facets,
                    outputFacets={} if self.is_reused else {"outputStatistics": wrote},
                )
            )
        return found


def run_event(run_id: str, stage: str, kind: str, namespace: str, facets: Mapping[str, Any]) -> "RunEvent":
    """An event without datasets; an empty stage stands for the run itself."""
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import job_type_job, parent_run, processing_engine_run

    engine = processing_engine_run.ProcessingEngineRunFacet(
        version=VERSION,
        name="lakebed",
        openlineageAdapterVersion=metadata.version("openlineage-python"),
        producer=PRODUCER,
    )
    found: dict[str, Any] = {"processing_engine": engine, **facets}
    if stage:
        parent = parent_run.Run(runId=lineage_id(run_id)), parent_run.Job(namespace=namespace, name=RUN_JOB)
        found["parent"] = parent_run.ParentRunFacet(run=parent[0], job=parent[1], producer=PRODUCER)
    kind_of_job = job_type_job.JobTypeJobFacet(
        processingType="BATCH", integration="LAKEBED", jobType="STAGE" if stage else "RUN", producer=PRODUCER
    )
    return RunEvent(
        eventTime=utc_now(),
        eventType=RunState(kind),
        run=Run(runId=lineage_id(run_id, stage), facets=found),
        job=Job(namespace=namespace, name=f"{RUN_JOB}.{stage}" if stage else RUN_JOB, facets={"jobType": kind_of_job}),
        producer=PRODUCER,
    )


def lineage_id(run_id: str, stage: str = "") -> str:
    """The UUID of a run or of a stage of it; the same each time it is asked for."""
    return str(uuid.uuid5(_NAMESPACE, f"{run_id}/{stage}"))


def open_events(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The START events that nothing has ended, the last begun first."""
    ended = {event["run"]["runId"] for event in events if event["eventType"] != "START"}
    begun = {event["run"]["runId"]: event for event in events if event["eventType"] == "START"}
    return [event for run, event in reversed(begun.items()) if run not in ended]


def dataset_name(root: str, *below: str) -> tuple[str, str]:
    """Namespace and name of what lies below a root, as OpenLineage names files: store and bucket, then the path."""
    path = "/".join(part.strip("/") for part in below if part.strip("/"))
    if not root:
        return "lakebed", path or "sources"
    if is_object_store(root):
        scheme, _, rest = root.rstrip("/").partition("://")
        bucket, _, prefix = rest.partition("/")
        scheme = {"s3a": "s3", "gcs": "gs", "abfs": "abfss"}.get(scheme, scheme)
        return f"{scheme}://{bucket}", "/".join(filter(None, (prefix, path))) or "/"
    return "file", f"{root.rstrip('/')}/{path}" if path else root


def database_name(url: str, table: str) -> tuple[str, str]:
    """Namespace and name of a table of a database, given its JDBC address."""
    parts = urlsplit(url.removeprefix("jdbc:"))
    host = parts.netloc.split(",")[0] or "localhost"
    if parts.scheme in ("mariadb", "mysql"):
        return f"mysql://{host}{'' if re.search(r':[0-9]+$', host) else ':3306'}", table
    if parts.scheme == "sqlserver":
        from lakebed.connectors.sqlserver.client import address_of

        own = address_of(url)
        return f"mssql://{own.host}:{own.port}", f"{own.database}.{table}"
    database = (parts.path if parts.netloc else parts.path.rpartition(":")[2]).strip("/")
    port = "" if re.search(r":\d+$", host) else ":5432"
    return f"postgres://{host}{port}", f"{database}.{table}"


def lake_datasets(root: str, note: str = "") -> "list[InputDataset]":
    """The folder of a lake; none where the lake is databases alone."""
    from openlineage.client.facet_v2 import documentation_dataset

    if not root:
        return []
    facets: dict[str, Any] = {}
    if note:
        facets["documentation"] = documentation_dataset.DocumentationDatasetFacet(description=note, producer=PRODUCER)
    return [_input(*dataset_name(root), facets)]


def _input(namespace: str, name: str, facets: dict[str, Any]) -> "InputDataset":
    from openlineage.client.event_v2 import InputDataset

    return InputDataset(namespace=namespace, name=name, facets=facets)


def _schema_facet(columns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The first columns of a table, as they are named; nothing where none is known."""
    from openlineage.client.facet_v2 import schema_dataset

    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in columns[:MAX_FIELDS]]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields, producer=PRODUCER)} if fields else {}


def _version_facet(manifest: Manifest) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_version_dataset

    version = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=manifest.digest, producer=PRODUCER)
    return {"version": version}


def _error_facet(message: str) -> Any:
    from openlineage.client.facet_v2 import error_message_run

    return error_message_run.ErrorMessageRunFacet(message=message, programmingLanguage="PYTHON", producer=PRODUCER)


def _message(error: BaseException | str) -> str:
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return redacted(text)[:MAX_MESSAGE_CHARS]


def _with_facet(run: Mapping[str, Any], **facet: Any) -> dict[str, Any]:
    return {**run, "facets": {**run.get("facets", {}), **facet}}

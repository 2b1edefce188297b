"""One stage of a run: its key, whether it is done already, and publishing what it made."""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel

from lakebed.connectors.delta import MAX_DRIVER_ROWS, WrittenTable, active_files, iterate_table, open_table, write_table
from lakebed.connectors.errors import ContractError
from lakebed.connectors.lake.files import file_digest
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.artifacts import (
    ArtifactRef,
    ArtifactStore,
    FileEntryDigest,
    Manifest,
    TableEntry,
    TableFile,
    content_digest,
)
from lakebed.tasks.runtime.checks import ArrowChecks, check_frame, check_schema, check_table
from lakebed.tasks.runtime.contract import Contract
from lakebed.tasks.runtime.digest import batch_multiset, digest_table, table_digest
from lakebed.tasks.runtime.expectations_queue import artifact_request, enqueue
from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.provenance import caller_ids
from lakebed.tasks.runtime.workspace import Workspace

# of a table below which a thread of its own costs more than it brings
_SMALL_BYTES = 4 << 20


@dataclass(frozen=True)
class StageSpec:
    """A stage: its name, the version of its code, and the contract of each of its tables."""

    name: str
    version: int
    contracts: Mapping[str, Contract]


@dataclass
class StageMetrics:
    """What a stage cost. Seconds, bytes of lake data read, peak memory in bytes; steps as (step, seconds, bytes).

    `changes` counts what was reused of the previous artifact and what was made anew; empty where there was none.
    `anew` says in words why nothing was, where there was one.
    """

    seconds: float = 0.0
    rows: int = 0
    bytes_read: int = 0
    peak_driver_bytes: int = 0
    peak_worker_bytes: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    anew: str = ""
    steps: list[tuple[str, float, int]] = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, name: str) -> "Iterator[StepCost]":
        """Time one step; bytes that the step adds to its cost are added to the stage's."""
        cost = StepCost()
        start = time.perf_counter()
        try:
            yield cost
        finally:
            self.steps.append((name, time.perf_counter() - start, cost.bytes_read))
            self.bytes_read += cost.bytes_read


@dataclass
class StepCost:
    """What a step has read so far, in bytes."""

    bytes_read: int = 0


class Stage:
    """A stage with its inputs and config.

    `identity` are further parts of the key: what the inputs' digests do not say, such as the identity of the lake's
    files. `family` are those that stay as they are when the lake changes. `is_whole` turns false where something is
    left out that another run may have, such as a table that only Spark reads: then the artifact is never reused.
    `start` is the artifact of an earlier run that its own may go on from (see `lakebed.tasks.runtime.previous`), and
    `anew` says why there is none.
    """

    def __init__(
        self,
        spec: StageSpec,
        *,
        inputs: Sequence[ArtifactRef],
        config: BaseModel,
        workspace: Workspace,
        identity: Sequence[bytes] = (),
        family: Sequence[bytes] = (),
    ) -> None:
        self.spec = spec
        self.inputs = tuple(inputs)
        self.workspace = workspace
        self.store = ArtifactStore(workspace.artifacts, workspace.run_id)
        self.key = stage_key(spec, self.inputs, config, identity)
        self.family = stage_key(spec, (), config, family)
        self._started = time.perf_counter()
        self.is_whole = True
        self.start: Manifest | None = None
        self.anew = ""
        self._state: Literal["new", "begun", "complete"] = "new"

    @property
    def reads(self) -> list[tuple[str, str]]:
        """Stage and digest of each input."""
        return [(ref.stage, ref.digest) for ref in self.inputs]

    def reuse(self) -> ArtifactRef | None:
        """The artifact of an earlier run under this key, if it is complete, whole and not rejected.

        One without a verdict (its run was killed) or judged by other suites is queued for Great Expectations. A full
        run takes only what it has made itself.
        """
        manifest = self.store.complete(self.spec.name, self.key)
        if manifest is None or not manifest.is_whole:
            return None
        is_own = not self.workspace.is_full or self.store.metrics(manifest.ref).get("run_id") == self.workspace.run_id
        if not is_own:
            return None
        self._state = "complete"
        self._enqueue(manifest)
        return manifest.ref

    @property
    def folder(self) -> str:
        """The folder to write into, where what a killed run left is gone; once complete, the folder to read from."""
        return self.store.storage.uri(self.path)

    @property
    def path(self) -> str:
        """The same folder, below the artifact root."""
        if self._state == "new":
            self._begin()
        return f"{self.spec.name}/{self.key}"

    def table_uri(self, name: str) -> str:
        """Where the table `name` of this stage is written."""
        self._contract(name)
        return f"{self.folder}/{name}"

    def read(
        self,
        ref: ArtifactRef,
        table: str,
        columns: Sequence[str] | None = None,
        below: tuple[str, int] | None = None,
    ) -> pa.Table:
        """A table of an input; with `below`, its rows whose number in a column is below another."""
        return self.store.read(ref, table, columns, below)

    def publish(
        self,
        tables: Mapping[str, pa.Table | WrittenTable],
        summary: Mapping[str, object],
        metrics: StageMetrics,
        files: Sequence[str] = (),
        side_files: Sequence[str] = (),
    ) -> ArtifactRef:
        """Check, write, digest; then the metrics, then the manifest, last and at once.

        Args:
            tables: every table of the spec: small ones as Arrow tables, those already written to `table_uri(name)`
                as what the writer returned.
            summary: counts that depend on the content only; plain JSON values.
            metrics: what the stage cost; missing seconds and memory are filled in.
            files: further files of the artifact, relative to `folder`; their bytes enter the digest.
            side_files: files that must exist for reuse but do not enter the digest.

        Raises:
            ContractError: if a table breaks its contract; then nothing is published.
            ArtifactError: if it cannot be written.
        """
        self._require_names(tables)
        if self._state != "begun":
            self._begin()
        fitted = {n: check_table(self._contract(n), t) for n, t in tables.items() if isinstance(t, pa.Table)}
        entries = {name: self._finish_table(name, fitted.get(name, table)) for name, table in tables.items()}
        extra = {path: self._file_entry(path, is_digested=True) for path in files}
        extra |= {path: self._file_entry(path, is_digested=False) for path in side_files}
        manifest = self._manifest(entries, extra, summary, has_started=not metrics.anew)
        metrics.anew = metrics.anew or self.anew
        self._write_metrics(metrics, sum(entry.n_rows for entry in entries.values()))
        ref = self.store.write_manifest(manifest)
        self._state = "complete"
        self._enqueue(manifest)
        return ref

    def _manifest(
        self,
        tables: dict[str, TableEntry],
        files: dict[str, FileEntryDigest],
        summary: Mapping[str, object],
        *,
        has_started: bool,
    ) -> Manifest:
        return Manifest(
            stage=self.spec.name,
            key=self.key,
            digest=content_digest(self.spec.name, self.spec.version, tables, files),
            version=self.spec.version,
            family=self.family,
            inputs=self.inputs,
            tables=tables,
            files=files,
            summary=dict(summary),
            is_whole=self.is_whole,
            nights=self.start.nights + 1 if self.start and has_started else 0,
        )

    def _begin(self) -> None:
        self.store.clear(self.spec.name, self.key)
        self._state = "begun"

    def _contract(self, name: str) -> Contract:
        if name not in self.spec.contracts:
            raise ContractError(
                f"stage {self.spec.name} has no table of this name",
                value=name,
                expected="one of " + ", ".join(self.spec.contracts),
            )
        return self.spec.contracts[name]

    def _require_names(self, tables: Mapping[str, object]) -> None:
        if set(tables) != set(self.spec.contracts):
            raise ContractError(
                f"stage {self.spec.name} publishes other tables than its contract names; nothing was published",
                value=", ".join(sorted(tables)),
                expected=", ".join(sorted(self.spec.contracts)),
            )

    def _finish_table(self, name: str, table: pa.Table | WrittenTable) -> TableEntry:
        contract, uri = self._contract(name), self.table_uri(name)
        if isinstance(table, WrittenTable):
            written, digest = table, check_written(contract, uri, table)
        elif table.nbytes < _SMALL_BYTES:
            digest, written = digest_table(contract, table), write_table(uri, table)
        else:
            # neither writing nor hashing holds the interpreter for long
            with ThreadPoolExecutor(1, thread_name_prefix="digest") as beside:
                digesting = beside.submit(digest_table, contract, table)
                written = write_table(uri, table)
                digest = digesting.result()
        return TableEntry(
            contract=contract.name,
            contract_version=contract.version,
            digest=digest,
            n_rows=written.n_rows,
            n_bytes=written.n_bytes,
            n_files=written.n_files,
            writer=written.writer,
            files=self._table_files(name),
        )

    def _table_files(self, name: str) -> tuple[TableFile, ...]:
        """The active data files and the log, as paths below the artifact's folder."""
        base = f"{self.spec.name}/{self.key}/"
        data = [(f"{name}/{file.path}", file.size) for file in active_files(self.table_uri(name))]
        log = self.store.storage.list_files(f"{base}{name}/_delta_log")
        data += [(file.path.removeprefix(base), file.size) for file in log if file.path.endswith(".json")]
        return tuple(TableFile(path=path, size=size) for path, size in data)

    def _file_entry(self, path: str, *, is_digested: bool) -> FileEntryDigest:
        full = f"{self.spec.name}/{self.key}/{path}"
        found = self.store.storage.stat(full)
        if found is None:
            raise ContractError(f"stage {self.spec.name} names a file that it has not written", value=path)
        if not is_digested:
            return FileEntryDigest(size=found.size)
        with self.store.storage.open(full) as stream:
            return FileEntryDigest(size=found.size, sha256=file_digest(stream))

    def _write_metrics(self, metrics: StageMetrics, n_rows: int) -> None:
        metrics.seconds = metrics.seconds or time.perf_counter() - self._started
        metrics.rows = metrics.rows or n_rows
        metrics.peak_driver_bytes = metrics.peak_driver_bytes or peak_memory_bytes()
        facts: dict[str, Any] = asdict(metrics)
        facts |= {"run_id": self.workspace.run_id, "created_at": datetime.now(UTC).isoformat(timespec="seconds")}
        facts |= {"task_run_id": caller_ids().get("task_run_id", "")}
        self.store.write_metrics(self.spec.name, self.key, facts)

    def _enqueue(self, manifest: Manifest) -> None:
        """Queue the artifact, unless these suites have passed it already."""
        run_id = self.workspace.run_id
        if not run_id:
            return
        request = artifact_request(self.store, run_id, manifest, self.spec.contracts)
        verdict = self.store.verdict(manifest.ref)
        if verdict is None or verdict.suite_digest != request.suite_digest:
            enqueue(Storage.at(self.store.storage.uri("runs", run_id)), request)


def stage_key(spec: StageSpec, inputs: Sequence[ArtifactRef], config: BaseModel, identity: Sequence[bytes]) -> str:
    """Hex SHA-256 over everything that decides what the stage makes.

    The inputs' digests, the resolved config, the versions of the stage and its contracts, the encoding,
    and `identity`; the three lists are behind their lengths, so that no part can move from one to the next.
    """
    from lakebed.tasks.encoding import ENCODING_ID

    contracts = [f"{name}\0{c.name}\0{c.version}".encode() for name, c in sorted(spec.contracts.items())]
    groups: tuple[Sequence[bytes], ...] = (
        [spec.name.encode(), str(spec.version).encode(), ENCODING_ID.encode()],
        [f"{ref.stage}\0{ref.digest}".encode() for ref in inputs],
        [canonical_json(config).encode()],
        contracts,
        list(identity),
    )
    return sha256_of_parts([sha256_of_parts(group).encode() for group in groups])


def check_written(contract: Contract, uri: str, written: WrittenTable) -> str:
    """Hold a table that is already written to its contract, and return its digest.

    Reads it batch by batch; a large one is checked by Spark where a session runs, and read
    for its digest only where its writers made no multiset hashes.

    Raises:
        ContractError: as `check_table`.
    """
    check_schema(contract, pa.schema(open_table(uri).schema().to_arrow()))
    if written.n_rows > MAX_DRIVER_ROWS and _check_on_spark(contract, uri):
        multisets = list(written.multisets) or _read_multisets(contract, uri, None)
    else:
        checks = ArrowChecks(contract)
        multisets = _read_multisets(contract, uri, checks)
        checks.finish()
    return table_digest(contract, written.n_rows, multisets)


def _read_multisets(contract: Contract, uri: str, checks: ArrowChecks | None) -> list[bytes]:
    multisets = []
    for batch in iterate_table(uri, contract.names):
        if checks is not None:
            checks.add(batch)
        if batch.num_rows:
            multisets.append(batch_multiset(batch, contract.digested_names))
    return multisets


def _check_on_spark(contract: Contract, uri: str) -> bool:
    """Check a table in the session that runs; False if there is none, or it cannot reach the table."""
    if "pyspark" not in sys.modules:
        return False
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    from lakebed.connectors.spark.object_stores import has_connector, read_delta

    # the active session is known to one thread only, the context to all
    if SparkContext._active_spark_context is None:
        return False
    session = SparkSession.builder.getOrCreate()
    if not has_connector(session, uri):
        return False
    check_frame(contract, read_delta(session, uri))
    return True

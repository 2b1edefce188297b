"""What surrounds the stages of a run: the lease, the record, Great Expectations beside, the closing."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lakebed.artifacts import root_id
from lakebed.chain import STAGE_OF, STAGES, in_order, inputs_for
from lakebed.config import LakebedConfig, require_apart, require_no_credentials
from lakebed.connectors.errors import ContractError, LakeError
from lakebed.connectors.lake.isolated import forked, importing
from lakebed.connectors.places import RUN_VARIABLE
from lakebed.connectors.redaction import redacted, remember_secrets
from lakebed.connectors.rights import forbid_shared_writes, require_own, weakness_of
from lakebed.connectors.spark.masters import require_master
from lakebed.connectors.spark.submitted import is_submitted
from lakebed.first_use import compile_kernels_once, fetch_jars_once
from lakebed.holds import require_matching
from lakebed.lineage import made_by
from lakebed.savings import figures
from lakebed.tables import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, StageDef
from lakebed.tasks.runtime.expectations import ExpectationsProcess
from lakebed.tasks.runtime.expectations_queue import install_suites
from lakebed.tasks.runtime.lease import Lease
from lakebed.tasks.runtime.lineage import Lineage
from lakebed.tasks.runtime.logs import log, redact_logging
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.prometheus import write_metrics
from lakebed.tasks.runtime.record import RUNS, ExpectationsRecord, RunLog, StageRecord
from lakebed.tasks.scan.choice import engine_for, is_local

if TYPE_CHECKING:
    from lakebed.changes import Changes
    from lakebed.connectors.spark.session import SessionStarter

SUITES_TIMEOUT_S = 1800.0
# for the flow that its caller starts; a process has one run at a time, whose id the environment and the log have
_open_scope: ContextVar["RunScope | None"] = ContextVar("open_scope", default=None)


class RunScope:
    """One run on one artifact root, as a context manager.

    Whoever starts a run opens the scope: the command line before Prefect is even imported, or the flow itself when a
    person pressed Run. The flow joins the scope that its caller has opened, where there is one.

    Raises:
        ConfigError: on entering, if lake and artifact root lie in each other, or an address carries a password.
        LeaseError: on entering, if another run works on the artifact root.
        ArtifactError: on entering, if others may write into the artifact root and the config refuses that.
    """

    def __init__(self, config: LakebedConfig, run_id: str, command: list[str], *, is_deployed: bool = False) -> None:
        """`is_deployed`: whether Prefect has started the run, for a person or a schedule."""
        self.config = config
        chosen = config.expectations.run
        self.is_to_be_judged = bool(config.suites) or chosen == "always" or (chosen == "deployed" and is_deployed)
        self.run_id = run_id
        self._inputs = inputs_for(config, run_id)
        self.workspace = self._inputs.workspace
        self.store = ArtifactStore(config.artifacts)
        self.refs: dict[str, ArtifactRef] = {}
        self.found: Mapping[str, ArtifactRef] = {}
        self.last_manifest_at: float | None = None
        self._command = command
        self._stack = ExitStack()
        self._expectations: ExpectationsProcess | None = None
        self._kernels: threading.Thread | None = None
        self._lake_suites: list[str] = []
        self._noting = threading.Lock()

    @staticmethod
    def joined() -> "RunScope | None":
        """The scope that the caller has opened."""
        return _open_scope.get()

    def __enter__(self) -> "RunScope":
        require_apart(self.config.lake.root, self.config.artifacts)
        self._secure()
        with ExitStack() as stack:
            stack.enter_context(Lease(self.config.artifacts, self.run_id))
            self.log = RunLog.begin(self.config.artifacts, self.run_id, self._command, self.config)
            # what the run starts inherits it, so that `gc` knows whose it was
            os.environ[RUN_VARIABLE] = log().run_id = self.run_id
            stack.callback(os.environ.pop, RUN_VARIABLE, None)
            self.lineage = Lineage(self.log.folder, self.run_id, self.config.lineage, self.config.lake.root)
            self.lineage.abort_dead(self.log.record.dead, self.store.storage, RUNS)
            self.lineage.start()
            log().event("run_started", lake=self.config.lake.root, artifacts=self.config.artifacts)
            self._stack = stack.pop_all()
        _open_scope.set(self)
        return self

    def _secure(self) -> None:
        """Secrets are kept out of everything that follows; the artifact root is looked at."""
        require_no_credentials(self.config)
        remember_secrets(self.config.model_dump(mode="json"))
        redact_logging()
        forbid_shared_writes()
        choice, weakness = self.config.security.shared_root, weakness_of(self.config.artifacts)
        if choice == "refuse":
            require_own(self.config.artifacts, weakness)
        elif choice == "warn" and weakness:
            shown().note(f"warning: the artifact root {self.config.artifacts} is not safe from others: {weakness}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _open_scope.set(None)
        try:
            if self._expectations is not None:
                self._expectations.stop()
            self._finish(error)
        finally:
            self._stack.close()
        self.lineage.close()

    def _finish(self, error: BaseException | None) -> None:
        record = self.log.finish("failed" if error else "completed", _error_facts(error) if error else None)
        self.lineage.fail(error) if error else self.lineage.complete()
        log().event("run_finished", "error" if error else "info", status=record.status, seconds=record.total_s)
        with suppress(LakeError):
            write_metrics(self.config.artifacts, figures(self.config))

    @property
    def workspace_id(self) -> str:
        """A short name of the artifact root."""
        return root_id(self.config.artifacts)

    @property
    def stages_at_once(self) -> int:
        """Stages that may work side by side: one under Spark, whose executors they would share anyway."""
        return self.config.stages_at_once if is_local(self.workspace) else 1

    @property
    def inputs(self) -> Inputs:
        """What the next stage is called with: all that was found before the run and has been made since."""
        return self._inputs.with_refs({**self.found, **self.refs})

    @property
    def session(self) -> "SessionStarter":
        """The process's Spark session, started or not."""
        from lakebed.connectors.spark.session import shared_session

        return shared_session(self.workspace.spark)

    @property
    def is_judging(self) -> bool:
        """Whether Great Expectations works beside the run."""
        return self._expectations is not None

    def take_suites(self) -> None:
        """Takes the user's suites into the run, before anything is reused: a new suite judges old artifacts too.

        Raises:
            ConfigError: if a suite cannot be read.
        """
        if self.config.suites:
            self._lake_suites = install_suites(self.log.folder, self.config.suites, self.workspace.lake.root)

    def start_beside(self, todo: Sequence[StageDef]) -> None:
        """Starts what takes long to start, in parallel: Great Expectations, the engine and its workers, our kernels.

        How much there is to read shows later: under `auto` an engine that is not taken then costs its start.

        Raises:
            ConfigError: if the cluster's master cannot be reached.
        """
        needs_engine, is_local_run = any(stage.needs_engine for stage in todo), is_local(self.workspace)
        spark = self.workspace.spark
        if needs_engine and not is_local_run:
            require_master(spark.master, is_submitted=is_submitted())
        self._require_roots()
        if needs_engine and not is_local_run:
            fetch_jars_once(self.config.spark)
        compile_kernels_once()
        if self._expectations is None and self.is_to_be_judged:
            self._expectations = ExpectationsProcess.start(self.log.folder)
        if not needs_engine:
            return
        engine_for(self.workspace).start()
        # a cluster's session has asked its executors already
        if not is_local_run and spark.is_local:
            self.session.warm_up()
        self._kernels = threading.Thread(target=_warm_up, args=(todo,), name="kernels", daemon=True)
        self._kernels.start()

    def _require_roots(self) -> None:
        """Whenever a cluster's session comes, its executors must see lake and artifact root before any job of ours."""
        if self.workspace.spark.is_local:
            return
        from lakebed.connectors.spark.executors import executors_watch
        from lakebed.connectors.spark.roots import roots_check

        if not self.session.is_started:
            self.session.checks = [
                executors_watch(self.config.spark.executors_timeout_s, lambda text: shown().note(text)),
                roots_check(self.workspace.lake.root, self.config.artifacts),
            ]

    def settle(self) -> None:
        """Waits for the kernels of the stages after the inventory."""
        forked.set()
        if self._kernels is not None:
            self._kernels.join()

    def require_lake_suites(self) -> None:
        """Waits for the verdicts on the tables of the lake for which the user has written suites.

        Raises:
            ContractError: if a table was rejected.
            ArtifactError: if Great Expectations did not get through.
        """
        if self._expectations is None or not self._lake_suites:
            return
        with shown().step("Waiting for your suites", len(self._lake_suites)):
            verdicts = self._expectations.wait_for(self._lake_suites, SUITES_TIMEOUT_S)
        if refused := [verdict.name for verdict in verdicts if verdict.status != "passed"]:
            raise ContractError(
                f"{len(refused)} of your suites for tables of the lake did not pass",
                expected="tables that meet their suites",
                hint=f"see {self.log.folder}/expectations",
                examples=refused,
            )

    @contextmanager
    def making(self, stage: StageDef) -> Iterator[Callable[[ArtifactRef], None]]:
        """A stage in its turn: what it must wait for, what is shown and noted of it.

        Yields: what is to be called with the stage's artifact.

        Raises: as `require_lake_suites`.
        """
        if stage.name != INVENTORY:
            self.settle()
        if stage.needs_rows:
            self.require_lake_suites()
        started = time.monotonic()
        made: list[ArtifactRef] = []
        with self.stage(stage.name), shown().stage(stage.name):
            yield made.append
        self.done(made[0], time.monotonic() - started)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage works; one whose artifact was found before the run does not count as begun."""
        if name not in self.found:
            self.lineage.start(name)
            log().event("stage_started", stage=name)
        with log().within(name):
            yield

    def done(self, ref: ArtifactRef, seconds: float) -> None:
        """Notes a stage whose artifact is published, or was there already.

        Raises:
            ConfigError: after the inventory, if a legal hold names no table.
        """
        metrics = self.store.metrics(ref)
        is_reused = metrics.get("run_id") != self.run_id
        record = StageRecord.of(ref, metrics, reused=is_reused, seconds=seconds)
        record.bytes_written = 0 if is_reused else self.store.manifest(ref).n_bytes
        with self._noting:
            if not is_reused:
                self.last_manifest_at = time.monotonic()
            self.refs = in_order({**self.refs, ref.stage: ref})
            self.log.add_stage(record, STAGE_OF[ref.stage].packages, STAGES)
            refs = dict(self.refs)
        self.lineage.complete(ref.stage, lambda: made_by(self.store, self.config, refs, ref, is_reused=is_reused))
        if ref.stage == INVENTORY:
            require_matching(self.config)
        facts = record.model_dump(include={"key", "digest", "reused", "seconds", "rows", "bytes_read", "bytes_written"})
        with log().within(ref.stage):
            log().event("stage_finished", **facts)

    def judge(self) -> None:
        """Waits for the verdicts on all that was published.

        Raises:
            ContractError: if an artifact was rejected.
        """
        if self._expectations is None:
            return
        verdicts = self._expectations.finish()
        self._expectations = None
        self.log.update(
            expectations=ExpectationsRecord(status=verdicts.status, seconds=verdicts.seconds, docs=verdicts.docs)
        )
        verdicts.require_passed()

    def note_costs(self, prefect_start_s: float, prefect_ready_at: float = 0.0) -> None:
        """Writes start-up times and memory into the record.

        The wall time after the session counts from the moment that both the session and Prefect are ready: stages
        run inside Prefect's flow, and its start is stated by itself.
        """
        session = self._session_if_imported()
        ready = session.ready_at if session else None
        wall = self.last_manifest_at - max(ready, prefect_ready_at) if ready and self.last_manifest_at else 0.0
        self.log.update(
            spark=self._spark_facts(),
            session_start_s=(session.seconds if session else None) or 0.0,
            prefect_start_s=prefect_start_s,
            wall_after_session_s=max(0.0, wall),
            peak_driver_bytes=self._peak_bytes(),
        )

    @cached_property
    def changed(self) -> "Changes | None":
        """What is other than in the run before; None where nothing was made, or there is nothing to compare with."""
        if all(stage.reused for stage in self.log.record.stages):
            return None
        from lakebed.changes import changes_since_last

        return changes_since_last(self.store, self.log.record)

    def summaries(self) -> Mapping[str, Mapping[str, Any]]:
        """The deterministic counts of each stage's artifact."""
        return {stage: self.store.manifest(ref).summary for stage, ref in self.refs.items()}

    def _session_if_imported(self) -> "SessionStarter | None":
        """The session where some stage has asked for one; a run without Spark does not even import it."""
        if "lakebed.connectors.spark.session" not in sys.modules or not self.session.is_started:
            return None
        return self.session

    def _spark_facts(self) -> dict[str, Any]:
        if self._session_if_imported() is None:
            return {}
        from lakebed.connectors.spark.facts import session_facts

        return session_facts(self.session.get(), self.workspace.spark)

    def _peak_bytes(self) -> int:
        """Peak of the driver's processes together: Python, and the JVM where there is one."""
        if self._session_if_imported() is None:
            return peak_memory_bytes()
        from lakebed.connectors.spark.memory import jvm_pid

        jvm = jvm_pid(self.session.get())
        return peak_memory_bytes() + (peak_memory_bytes(jvm) if jvm else 0)


def _warm_up(stages: Sequence[StageDef]) -> None:
    """Imports what the stages call, while the inventory waits for its readers.

    A failure shows where the stage imports it.
    """
    forked.wait()
    with suppress(Exception):
        for stage in stages:
            with importing:
                stage.warm()


def _error_facts(error: BaseException) -> dict[str, Any]:
    return (
        error.as_dict()
        if isinstance(error, LakeError)
        else {"error": type(error).__name__, "what": redacted(str(error))}
    )

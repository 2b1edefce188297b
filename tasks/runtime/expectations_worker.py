"""The process that imports Great Expectations: `python -m lakebed.tasks.runtime.expectations_worker RUN_FOLDER`.

Requests come as files in the run's inbox, `finish` on standard input means that no more will come, and the end
of standard input means that the run's process is gone: then this one ends at once.

The pages of its data docs load styles and scripts from seven hosts. Those references are taken out and a small style
sheet is put in: the tables and verdicts stay, the sorting and collapsing of the originals goes.
"""

import importlib
import os
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Literal

from lakebed.connectors.delta import MAX_DRIVER_ROWS, read_table
from lakebed.connectors.places import temporary_prefix
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.artifacts import VERDICT, Verdict
from lakebed.tasks.runtime.expectations import DOCS, FINISH, SUMMARY, Verdicts
from lakebed.tasks.runtime.expectations_queue import VERDICTS, Request, RequestVerdict, TableRequest, queued

_REMOTE = (
    re.compile(r"<script[^>]*\bsrc=\"https?://[^>]*>\s*</script>", re.IGNORECASE | re.DOTALL),
    re.compile(r"<link[^>]*\bhref=\"https?://[^>]*>", re.IGNORECASE | re.DOTALL),
    re.compile(r"<img[^>]*\bsrc=\"https?://[^>]*>", re.IGNORECASE | re.DOTALL),
    re.compile(r"@import url\([\"']?https?://[^)]*\);?", re.IGNORECASE),
)
_UNUSED = (".otf", ".gif", "logo-long.png")

_STYLE = """<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222 }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { border: 1px solid #ccc; padding: .25rem .5rem; text-align: left; vertical-align: top }
.modal, .collapse:not(.show), .d-none, nav button { display: none }
.text-success { color: #17803d } .text-danger { color: #b42318 }
.fa-check-circle::before { content: "✓" } .fa-times::before { content: "✗" }
</style>"""


def make_offline(html: str) -> str:
    """The page without references to other hosts that a browser would load, with a style sheet of its own."""
    for pattern in _REMOTE:
        html = pattern.sub("", html)
    return html.replace("</head>", f"{_STYLE}</head>", 1)


def is_needed(path: str) -> bool:
    """Whether a file of the site is used by its offline pages; fonts and films of the walkthrough are not."""
    return not path.endswith(_UNUSED)


if TYPE_CHECKING:
    import pandas as pd

# a table of more rows is not handed to pandas: for it the contract's native check counts
MAX_ROWS = MAX_DRIVER_ROWS

_POLL_S = 0.5
_MAX_VALUES = 5


class Validator:
    """An ephemeral Great Expectations context with one data docs site."""

    def __init__(self, docs_folder: str) -> None:
        gx: Any = importlib.import_module("great_expectations")
        self._gx = gx
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        for site in list(self._context.get_site_names()):
            self._context.delete_data_docs_site(site)
        self._context.add_data_docs_site("run", _site(docs_folder))
        self._source = self._context.data_sources.add_pandas("tables")

    def validate(self, name: str, table: TableRequest) -> dict[str, Any]:
        """Validate one table; `name` must be unique in the run."""
        n_rows = _count_rows(table)
        if n_rows > MAX_ROWS:
            reason = f"{n_rows} rows are more than {MAX_ROWS}: only the contract's native check was made"
            return {"status": "skipped", "suite": table.suite, "reason": reason}
        suite = self._suite(name, table)
        batches = self._source.add_dataframe_asset(name=name).add_batch_definition_whole_dataframe("all")
        definition = self._gx.ValidationDefinition(name=name, data=batches, suite=suite)
        definition = self._context.validation_definitions.add(definition)
        result = definition.run(batch_parameters={"dataframe": _read_pandas(table)}, result_format="BASIC")
        failures = [_failure(outcome) for outcome in result.results if not outcome.success]
        status = "passed" if result.success else "rejected"
        n_expectations = len(result.results)
        return {"status": status, "suite": table.suite, "n_expectations": n_expectations, "failures": failures}

    def build_docs(self) -> None:
        """Write the data docs site."""
        self._context.build_data_docs()

    def _suite(self, name: str, table: TableRequest) -> Any:
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

        suite = self._gx.ExpectationSuite(name=name)
        for expectation in table.expectations:
            suite.add_expectation_configuration(ExpectationConfiguration(**expectation))
        return self._context.suites.add(suite)


class Worker:
    """Takes requests until it is told to finish."""

    def __init__(self, run_folder: str, docs_folder: str) -> None:
        self._storage = Storage.at(run_folder)
        self._docs_folder = docs_folder
        self._validator = Validator(docs_folder)
        self._verdicts: list[RequestVerdict] = []

    def run(self, finish: threading.Event) -> None:
        """Judge what comes; after `finish`, what is left, then write the docs and the summary."""
        started = time.perf_counter()
        is_last = False
        while not is_last:
            is_last = finish.is_set()
            for path in queued(self._storage):
                self._take(path)
            if not is_last:
                finish.wait(_POLL_S)
        self._publish_docs()
        self._write_summary(time.perf_counter() - started)

    def _take(self, path: str) -> None:
        request = Request.model_validate_json(self._storage.read_bytes(path))
        verdict = self._judge(request)
        self._verdicts.append(verdict)
        if request.artifact and verdict.status != "failed":
            found = Verdict(
                digest=request.digest,
                suite_digest=request.suite_digest,
                status=verdict.status,
                tables=verdict.tables,
                seconds=verdict.seconds,
            )
            Storage.at(request.artifact).write_bytes_atomic(VERDICT, found.model_dump_json(indent=1).encode())
        answer = verdict.model_dump_json(indent=1).encode()
        self._storage.write_bytes_atomic(f"{VERDICTS}/{request.name}.json", answer)
        self._storage.delete_file(path)

    def _judge(self, request: Request) -> RequestVerdict:
        started = time.perf_counter()
        tables = {}
        for name, table in request.tables.items():
            unique = f"{len(self._verdicts)}-{request.name[:30]}-{name}"
            try:
                tables[name] = self._validator.validate(re.sub(r"[^A-Za-z0-9_.-]", "_", unique), table)
            except Exception as error:
                traceback.print_exc()
                tables[name] = {"status": "failed", "suite": table.suite, "reason": f"{type(error).__name__}: {error}"}
        seconds = time.perf_counter() - started
        return RequestVerdict(name=request.name, status=_worst(tables), seconds=seconds, tables=tables)

    def _publish_docs(self) -> None:
        self._validator.build_docs()
        built = Storage.at(self._docs_folder)
        for file in built.list_files():
            data = built.read_bytes(file.path)
            if file.path.endswith(".html"):
                data = make_offline(data.decode()).encode()
            if is_needed(file.path):
                self._storage.write_bytes_atomic(f"{DOCS}/{file.path}", data)

    def _write_summary(self, seconds: float) -> None:
        status = _worst({verdict.name: {"status": verdict.status} for verdict in self._verdicts})
        failed = [_why(verdict) for verdict in self._verdicts if verdict.status == "failed"]
        summary = Verdicts(
            status=status,
            seconds=seconds,
            docs=self._storage.uri(DOCS, "index.html"),
            reason="; ".join(failed),
            requests=tuple(self._verdicts),
        )
        self._storage.write_bytes_atomic(SUMMARY, summary.model_dump_json(indent=1).encode())


def main(run_folder: str) -> None:
    """Serve one run; whoever ends all processes of a service at once leaves the end to the run."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.nice(19)
    finish = threading.Event()
    threading.Thread(target=_watch_parent, args=(finish,), daemon=True).start()
    with tempfile.TemporaryDirectory(prefix=temporary_prefix("docs")) as docs_folder:
        Worker(run_folder, docs_folder).run(finish)
    # the watching thread sits in a read that a normal exit would wait for
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _watch_parent(finish: threading.Event) -> None:
    """End with the parent: its death, by whatever signal, closes the pipe to our standard input."""
    while line := sys.stdin.buffer.readline():
        if line == FINISH:
            finish.set()
    os._exit(1)


def _site(folder: str) -> dict[str, Any]:
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    return {"class_name": "SiteBuilder", "show_how_to_buttons": False, "store_backend": store} | {
        "site_index_builder": index
    }


def _count_rows(table: TableRequest) -> int:
    if table.n_rows is not None:
        return table.n_rows
    if table.format == "parquet":
        return int(_parquet(table.uri).count_rows())
    from lakebed.connectors.delta import active_files

    return sum(file.n_rows for file in active_files(table.uri))


def _read_pandas(table: TableRequest) -> "pd.DataFrame":
    frame: pd.DataFrame
    if table.format == "delta":
        frame = read_table(table.uri).to_pandas()
    else:
        frame = _parquet(table.uri).to_table().to_pandas()
    return frame


def _parquet(uri: str) -> Any:
    """A lake's Parquet table as a dataset: a file, or a folder with Hive's partitions."""
    import pyarrow.dataset as ds

    filesystem, path = Storage.at(uri).arrow()
    return ds.dataset(path, format="parquet", partitioning="hive", filesystem=filesystem)


def _failure(outcome: Any) -> dict[str, Any]:
    """What an expectation found, in plain values."""
    config = outcome.expectation_config
    kwargs = {name: value for name, value in config.kwargs.items() if name != "batch_id"}
    found = {"expectation": config.type, "kwargs": kwargs, "n_unexpected": outcome.result.get("unexpected_count")}
    values = outcome.result.get("partial_unexpected_list") or []
    found["examples"] = [repr(value) for value in values[:_MAX_VALUES]]
    exceptions = _exceptions(outcome.exception_info)
    return found | ({"exceptions": exceptions} if exceptions else {})


def _exceptions(info: dict[str, Any]) -> list[str]:
    """What was raised: Great Expectations gives one record, or one per metric."""
    records = [info] if "raised_exception" in info else list(info.values())
    return [str(record["exception_message"]) for record in records if record.get("raised_exception")]


def _why(verdict: RequestVerdict) -> str:
    """Which tables of a request could not be validated, and why."""
    reasons = [f"{name} ({table['reason']})" for name, table in verdict.tables.items() if table["status"] == "failed"]
    return f"{verdict.name}: could not validate {', '.join(reasons)}"


def _worst(tables: dict[str, dict[str, Any]]) -> Literal["passed", "rejected", "failed"]:
    found = {table["status"] for table in tables.values()}
    return "rejected" if "rejected" in found else "failed" if "failed" in found else "passed"


if __name__ == "__main__":
    main(sys.argv[1])

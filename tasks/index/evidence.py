"""Why things are near: the lake graph as compact files beside the index, read where they are asked.

columns.parquet     each column: table, path, distinct values, sketch of them
tables.parquet      each table's name
value_indptr.npy value.npy column_indptr.npy column.npy     the postings of shared values
values.arrow        hash and label of each value, for memory maps
folded*.npy                 folded values, see `folded.py`
like_*.npy spell_*.npy      words of names and values, and how values are spelled, see `words.py`
text_*.npy texts.parquet    n-grams of table names, column names and values that are text
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage, is_object_store
from lakebed.tasks.index.folded import ARRAYS as FOLDED
from lakebed.tasks.index.folded import folded_arrays, folded_facts, lake_of_files
from lakebed.tasks.index.kernel.likeness import Likeness
from lakebed.tasks.index.kernel.ngrams import NgramIndex, index_texts
from lakebed.tasks.index.kernel.postings import FULL, ColumnSizes, Int64, Postings, make_postings
from lakebed.tasks.index.kernel.spelling import Spelling
from lakebed.tasks.index.words import ARRAYS as WORDS
from lakebed.tasks.index.words import likeness_of_files, spelling_of_files, word_arrays
from lakebed.tasks.keys.kernel.columns import Lake
from lakebed.tasks.keys.lake import lake_of_graph, path_text

FOLDER = "evidence"
ARRAYS = ("value_indptr", "value", "column_indptr", "column", "text_indptr", "text", "text_length")
FILES = tuple(
    f"{FOLDER}/{name}"
    for name in (
        *(f"{array}.npy" for array in (*ARRAYS, *FOLDED, *WORDS)),
        "columns.parquet",
        "tables.parquet",
        "texts.parquet",
        "values.arrow",
    )
)
MAX_TEXT_VALUES = 200_000


@dataclass(frozen=True)
class Texts:
    """What text search finds. Shapes: kind (`table`, `column`, `value`), number (table, column, value) (n,)."""

    kind: pa.Array
    number: Int64
    index: NgramIndex


def write_evidence(
    storage: Storage, nodes: pa.Table, edges: pa.Table, columns: pa.Table, column_values: pa.Table
) -> None:
    """Writes the files, of the tables of a lakegraph artifact."""
    lake = lake_of_graph(nodes, columns, column_values)
    # numpy's sorts, of which most of both is made, leave the interpreter to each other
    with ThreadPoolExecutor(1, thread_name_prefix="words") as beside:
        words = beside.submit(word_arrays, lake, column_values)
        kinds = nodes["kind"].combine_chunks()
        tables = nodes.filter(pc.equal(kinds, "table"))
        values = nodes.filter(pc.equal(kinds, "value"))
        postings = _postings(columns.num_rows, values, edges)
        names = pa.table({"name": tables["label"]})
        texts, index = _texts(names["name"].to_pylist(), lake.names, values["label"], postings)
        arrays = (*_arrays(postings), index.indptr, index.text, index.length)
        for name, array in {**dict(zip(ARRAYS, arrays, strict=True)), **folded_arrays(lake)}.items():
            _write_npy(storage, name, array)
        for name, table in (("columns", _facts(lake, nodes, tables, columns)), ("tables", names), ("texts", texts)):
            stream = io.BytesIO()
            pq.write_table(table, stream, compression="zstd")
            storage.write_bytes_atomic(f"{FOLDER}/{name}.parquet", stream.getvalue())
        _write_values(storage, values)
        for name, array in words.result().items():
            _write_npy(storage, name, array)


def _postings(n_columns: int, values: pa.Table, edges: pa.Table) -> Postings:
    first_value = values["node_id"][0].as_py() if values.num_rows else 0
    held = edges.filter(pc.equal(edges["kind"], "column_value"))
    target = held["target"].to_numpy() - first_value
    return make_postings(held["source"].to_numpy(), target, n_columns, values.num_rows)


def _facts(lake: Lake, nodes: pa.Table, tables: pa.Table, columns: pa.Table) -> pa.Table:
    """What is told of each column."""
    first_table = tables["node_id"][0].as_py() if tables.num_rows else 0
    labels = nodes["label"].slice(0, columns.num_rows)
    return pa.table(
        {
            "table": pc.subtract(columns["table_node"], first_table),
            "label": labels if columns.num_rows else pa.array([], pa.string()),
            **{name: columns[name] for name in ("token", "n_distinct", "n_sampled", "threshold", "sketch", "left_out")},
            **folded_facts(lake),
        }
    )


def _arrays(postings: Postings) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64 | np.int32]], ...]:
    return postings.value_indptr, postings.value, postings.column_indptr, postings.column


def _texts(
    tables: Sequence[str], columns: Sequence[str], labels: pa.ChunkedArray, postings: Postings
) -> tuple[pa.Table, NgramIndex]:
    """Names of tables and columns, and values with a letter, those of most columns first."""
    is_text = pc.match_substring_regex(labels, r"\p{L}").to_numpy() if len(labels) else np.empty(0, np.bool_)
    chosen = np.flatnonzero(is_text)
    n_columns = np.diff(postings.column_indptr)[chosen]
    chosen = np.sort(chosen[np.argsort(-n_columns, kind="stable")[:MAX_TEXT_VALUES]])
    texts = [*tables, *columns, *labels.take(pa.array(chosen)).to_pylist()]
    sizes = [len(tables), len(columns), len(chosen)]
    kind = pa.array(["table", "column", "value"]).take(pa.array(np.repeat(np.arange(3), sizes)))
    number = np.concatenate([np.arange(len(tables)), np.arange(len(columns)), chosen])
    return pa.table({"kind": kind, "number": number}), index_texts(texts)


def _write_npy(storage: Storage, name: str, array: np.ndarray[tuple[int], np.dtype[np.generic]]) -> None:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    storage.write_bytes_atomic(f"{FOLDER}/{name}.npy", stream.getvalue())


def _write_values(storage: Storage, values: pa.Table) -> None:
    """Hash and label, uncompressed, so that a reader maps the file and touches only what it asks for."""
    digits = pc.utf8_slice_codeunits(values["key"], len("value:"))
    hashes = np.array([int(text, 16) for text in digits.to_pylist()], np.uint64)
    table = pa.table({"hash": hashes, "label": values["label"].combine_chunks()})
    stream = io.BytesIO()
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    storage.write_bytes_atomic(f"{FOLDER}/values.arrow", stream.getvalue())


class Evidence:
    """The files of one index artifact, each read when it is first needed.

    Raises (all properties): ArtifactError: if a file is missing or damaged.
    """

    def __init__(self, uri: str) -> None:
        self._storage = Storage.at(uri)
        self._uri = uri

    @cached_property
    def tables(self) -> list[str]:
        """Names by number."""
        return [str(name) for name in self._parquet("tables")["name"].to_pylist()]

    @cached_property
    def columns(self) -> pa.Table:
        """The columns by number."""
        return self._parquet("columns")

    @cached_property
    def table_of(self) -> Int64:
        """The table of each column, (c,)."""
        return np.asarray(self.columns["table"].to_numpy(), np.int64)

    @cached_property
    def sizes(self) -> ColumnSizes:
        """Distinct values of each column."""
        cut = self.columns["threshold"].to_pylist()
        return ColumnSizes(
            n_distinct=self.columns["n_distinct"].to_numpy(),
            n_sampled=self.columns["n_sampled"].to_numpy(),
            threshold=np.array([FULL if text is None else int.from_bytes(text, "big") for text in cut], np.uint64),
        )

    @cached_property
    def postings(self) -> Postings:
        """Columns and the values that they share."""
        value_indptr, value, column_indptr, column = (self._npy(name) for name in ARRAYS[:4])
        return Postings(value_indptr, value, column_indptr, column)

    @cached_property
    def lake(self) -> Lake:
        """The columns with their folded values, as the search for keys takes them."""
        names = [path_text(token) for token in self.columns["token"].to_pylist()]
        return lake_of_files(self.tables, self.columns, names, self._npy)

    @cached_property
    def folded_postings(self) -> Postings:
        """Columns and their folded values, all of them."""
        indptr, values, _, _, column_indptr, columns = (self._npy(name) for name in FOLDED)
        return Postings(indptr, values, column_indptr, columns)

    @cached_property
    def likeness(self) -> Likeness:
        """The words of the columns' names and values."""
        return likeness_of_files(self._npy)

    @cached_property
    def spelling(self) -> Spelling:
        """How the columns' values are spelled."""
        return spelling_of_files(self._npy)

    @cached_property
    def texts(self) -> Texts:
        """What text search finds."""
        table = self._parquet("texts")
        index = NgramIndex(*(self._npy(name) for name in ARRAYS[4:]))
        return Texts(table["kind"].combine_chunks(), table["number"].to_numpy(), index)

    @cached_property
    def values(self) -> pa.Table:
        """Hash and label of each value."""
        path = f"{FOLDER}/values.arrow"
        with _typed(self._uri, path):
            if is_object_store(self._uri):
                return pa.ipc.open_file(pa.BufferReader(self._storage.read_bytes(path))).read_all()
            return pa.ipc.open_file(pa.memory_map(f"{self._uri.removeprefix('file://')}/{path}")).read_all()

    def labels(self, values: Sequence[int]) -> list[str]:
        """What people read for values."""
        return [str(self.values["label"][int(value)].as_py()) for value in values]

    def _npy(self, name: str) -> Any:
        path = f"{FOLDER}/{name}.npy"
        with _typed(self._uri, path):
            if is_object_store(self._uri):
                return np.load(io.BytesIO(self._storage.read_bytes(path)), allow_pickle=False)
            # as a plain array: a memmap looks at itself whenever it is sliced
            mapped = np.load(f"{self._uri.removeprefix('file://')}/{path}", mmap_mode="r", allow_pickle=False)
            return np.asarray(mapped)

    def _parquet(self, name: str) -> pa.Table:
        path = f"{FOLDER}/{name}.parquet"
        with _typed(self._uri, path):
            return pq.read_table(io.BytesIO(self._storage.read_bytes(path)), use_threads=False)


class _typed:
    """Turns what a damaged file raises into an ArtifactError that names it."""

    def __init__(self, uri: str, path: str) -> None:
        self._where = f"{uri}/{path}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, ValueError, pa.ArrowException, KeyError)):
            raise ArtifactError(
                "a file beside the index is missing or damaged",
                value=f"{self._where}: {error}"[:300],
                expected="the file that was written",
                hint="lakebed run builds the index again",
            ) from error

"""The graph of tables, columns and the values that stand in at least two columns."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.tasks.encoding.pairs import pair_order
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.kernel.folding import FoldedSample
from lakebed.tasks.lakegraph.kernel.graph import (
    EdgeTable,
    Graph,
    Int64,
    NodeTable,
    UInt64,
    column_key,
    repeated,
    table_key,
    value_keys,
)
from lakebed.tasks.lakegraph.kernel.samples import ValueSample


@dataclass(frozen=True)
class LakeColumn:
    """One column of the lake: its table's name, its path, and the sample of its values.

    Attributes:
        left_out: why the values take no part; empty where they do.
        folded: the values as search and keys compare them.
        position: place in the table's schema.
        n_rows: of the table.
    """

    table: str
    path: tuple[str | int, ...]
    sample: ValueSample
    left_out: str = ""
    folded: FoldedSample = field(default_factory=FoldedSample.none)
    position: int = 0
    n_rows: int = 0

    @property
    def token(self) -> str:
        """JSON text of the path."""
        return json.dumps(list(self.path), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class SharedValues:
    """Values of at least two columns.

    Shapes: hashes (v,) ascending; labels (v,); n_columns (v,); column, value (m,): the pairs, value a position in
    hashes, ascending by (column, value).
    """

    hashes: UInt64
    labels: pa.Array
    n_columns: Int64
    column: Int64
    value: Int64


@dataclass(frozen=True)
class ColumnFacts:
    """What each column brought, in the order of the columns' keys. Shapes: (c,) each."""

    column: list[LakeColumn]
    table_node: Int64
    n_shared: Int64
    left_out: list[str]


@dataclass(frozen=True)
class ValueGraph:
    """The graph, with the facts of its columns, whose node ids are 0 … c - 1, and values left out as too frequent."""

    graph: Graph
    columns: ColumnFacts
    n_frequent: int


def lake_graph(tables: Sequence[str], columns: Sequence[LakeColumn], config: LakeGraphConfig) -> ValueGraph:
    """Columns meet where their samples share a value, or in their name; tables meet through their columns.

    Column-value edges for values of 2 … `max_value_columns` columns of at least `min_distinct` distinct values;
    column-name edges for names of at least two columns; table-column edges for all. Keys sort as column, name, table,
    value, so ids are blocks in this order.

    Returns: a graph that does not depend on the order of `tables` and `columns`.

    Complexity: O(p log p) for p (column, value) pairs.
    """
    names, ordered = sorted(tables), sorted(columns, key=lambda column: column_key(column.table, list(column.path)))
    left_out = [column.left_out or _too_few(column.sample, config.min_distinct) for column in ordered]
    shared, n_frequent = share_values([c.sample for c in ordered], [not why for why in left_out], config)
    heads, name_of = _names(ordered) if config.names else ([], np.full(len(ordered), -1))
    first_table = len(ordered) + len(heads)
    number = {name: first_table + place for place, name in enumerate(names)}
    table_node = np.array([number[column.table] for column in ordered], np.int64)
    blocks = _Blocks(table_node, np.where(name_of >= 0, name_of + len(ordered), -1), first_table + len(names))
    n_shared = np.bincount(shared.column, minlength=len(ordered)).astype(np.int64)
    graph = Graph(_nodes(names, heads, ordered, shared), _edges(blocks, shared, config.damping))
    return ValueGraph(graph, ColumnFacts(ordered, table_node, n_shared, left_out), n_frequent)


@dataclass(frozen=True)
class _Blocks:
    """Node of each column's table and name (-1: none), and the first value's."""

    table_node: Int64
    name_node: Int64
    first_value: int


def _names(columns: Sequence[LakeColumn]) -> tuple[list[str], Int64]:
    """The paths of at least two columns, ascending, and for each column the place of its own; -1 where it is alone."""
    tokens = [column.token for column in columns]
    counts = Counter(tokens)
    heads = sorted(token for token, n in counts.items() if n > 1)
    place = {token: number for number, token in enumerate(heads)}
    return heads, np.array([place.get(token, -1) for token in tokens], np.int64)


def share_values(
    samples: Sequence[ValueSample], is_in: Sequence[bool], config: LakeGraphConfig
) -> tuple[SharedValues, int]:
    """The values of at least two of the columns that take part, and how many were left out as too frequent."""
    taking = [place for place, wanted in enumerate(is_in) if wanted and len(samples[place].hashes)]
    sizes = [len(samples[place].hashes) for place in taking]
    hashes = np.concatenate([np.empty(0, np.uint64), *(samples[place].hashes for place in taking)])
    column = np.repeat(np.array(taking, np.int64), sizes)
    # whichever column of a value comes first: of its labels the least counts, and its edges are sorted
    order = np.argsort(hashes)
    starts = _group_starts(hashes[order])
    n_columns = np.diff(starts)
    is_kept = (n_columns >= 2) & (n_columns <= config.max_value_columns)
    members = order[np.repeat(is_kept, n_columns)]
    value = np.repeat(np.arange(int(is_kept.sum())), n_columns[is_kept])
    labels = _least_labels([samples[place].labels for place in taking], members, value)
    by_column = pair_order(column[members], value)
    shared = SharedValues(
        hashes=hashes[order[starts[:-1][is_kept]]],
        labels=labels,
        n_columns=n_columns[is_kept],
        column=column[members][by_column],
        value=value[by_column],
    )
    return shared, int((n_columns > config.max_value_columns).sum())


def _too_few(sample: ValueSample, least: int) -> str:
    n = len(sample.hashes)
    return "" if n >= least or n == 0 else f"{n} distinct values, fewer than {least}"


def _group_starts(ordered: UInt64) -> Int64:
    """Where each run of equal values begins, and the end."""
    is_first = np.ones(len(ordered) + 1, np.bool_)
    is_first[1:-1] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(is_first) if len(ordered) else np.zeros(1, np.int64)


def _least_labels(parts: Sequence[pa.Array], members: Int64, value: NDArray[np.int64]) -> pa.Array:
    """Of each value the least of its columns' labels: 1 and 1.0 are one value with two texts."""
    if not len(members):
        return pa.array([], pa.string())
    labels = pa.concat_arrays(parts).take(pa.array(members)).dictionary_encode()
    codes = labels.indices.to_numpy(zero_copy_only=False)
    ranks = np.empty(len(labels.dictionary), np.int64)
    ranks[pc.sort_indices(labels.dictionary).to_numpy()] = np.arange(len(ranks))
    starts = np.flatnonzero(np.concatenate([[True], value[1:] != value[:-1]]))
    least = np.minimum.reduceat(ranks[codes], starts)
    in_order = np.argsort(ranks)
    return labels.dictionary.take(pa.array(in_order[least])).cast(pa.string())


def _edges(blocks: _Blocks, shared: SharedValues, damping: float) -> EdgeTable:
    columns = np.arange(len(blocks.table_node))
    named = columns[blocks.name_node >= 0]
    damped = shared.n_columns.astype(np.float64) ** -damping
    source = np.concatenate([named, columns, shared.column])
    target = np.concatenate([blocks.name_node[named], blocks.table_node, shared.value + blocks.first_value])
    weight = np.concatenate([np.ones(len(named) + len(columns)), damped[shared.value]]).astype(np.float32)
    sizes = [len(named), len(columns), len(shared.column)]
    kinds = pa.array(["column_name", "table_column", "column_value"])
    order = pair_order(source, target)
    kind = kinds.take(pa.array(np.repeat(np.arange(3), sizes)[order]))
    return EdgeTable(source[order], target[order], weight[order], kind)


def _nodes(
    names: Sequence[str], heads: Sequence[str], columns: Sequence[LakeColumn], shared: SharedValues
) -> NodeTable:
    keys = [column_key(column.table, list(column.path)) for column in columns]
    keys += [f"node:name:{head}" for head in heads] + [table_key(name) for name in names]
    texts = [f"{column.table}.{'.'.join(str(step) for step in column.path)}" for column in columns]
    texts += [".".join(str(step) for step in json.loads(head)) for head in heads] + list(names)
    sizes = (("column", len(columns)), ("node", len(heads)), ("table", len(names)), ("value", len(shared.hashes)))
    return NodeTable(
        kind=pa.concat_arrays([repeated(kind, n) for kind, n in sizes]),
        key=pa.concat_arrays([pa.array(keys, pa.string()), value_keys(shared.hashes)]),
        label=pa.concat_arrays([pa.array(texts, pa.string()), shared.labels]),
    )

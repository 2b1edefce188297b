"""Pairs of tables too large for a worker: Spark reads them, finds a condition and executes it, in a few jobs each.

No row numbers and no order of rows here, and conditions on the columns that the child has and on partitions only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StructField, StructType

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.lake.leaves import LeafArray, batch_leaves, path_of, schema_leaves
from lakebed.tasks.encoding.sums import multiset_sum, sum_digest, total, unveiled, veiled
from lakebed.tasks.retention.recipes.casting import cast_where_same
from lakebed.tasks.retention.recipes.constants import constant_of
from lakebed.tasks.retention.recipes.digest import digest_of, strict_hashes
from lakebed.tasks.retention.recipes.emit import relation_of, sql_statements
from lakebed.tasks.retention.recipes.kernel.ranks import can_rank
from lakebed.tasks.retention.recipes.model import (
    ColumnMap,
    Equals,
    In,
    Outcome,
    Part,
    Range,
    Recipe,
    Refusal,
    RowOrder,
    StrictDigest,
    Where,
)
from lakebed.tasks.retention.recipes.pairs import refused
from lakebed.tasks.retention.recipes.reader import FooterReader, table_traits
from lakebed.tasks.retention.recipes.shapes import schema_from_text
from lakebed.tasks.retention.recipes.sql_text import condition, identifier
from lakebed.tasks.retention.recipes.synthesis import Refused
from lakebed.tasks.retention.recipes.write import require_traits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from lakebed.tasks.retention.recipes.context import RecipeContext
    from lakebed.tasks.retention.recipes.model import TableRef, Term
    from lakebed.tasks.retention.recipes.pairs import PairRefs

SPARK_ERRORS = (PySparkException, Py4JJavaError)
_HASH, _MEMBER = "hash", "member"
_MAX_PAIR_TERMS = 16
_ORDER = RowOrder(state="lost", reason="tables this large are compared without the order of their rows")


class _TooLarge(Exception):
    """What would need row numbers."""


def synthesise_large(session: SparkSession, context: RecipeContext, pair: PairRefs) -> Outcome:
    """The outcome of a pair with a table above `max_table_bytes`.

    Args:
        session: to run in.
        context: lake, key, limits.
        pair: of one parent.
    """
    started = time.monotonic()
    try:
        recipe, rebuild_s = _solve(session, context, pair)
    except _TooLarge as error:
        limit = context.config.max_table_bytes
        reason = f"{error} (a table has {pair.largest_bytes:,} bytes, above `max_table_bytes` of {limit:,})"
        return refused(pair, Refusal(code="too_large", reason=reason))
    except Refused as error:
        return refused(pair, error.refusal)
    except (LakeError, *SPARK_ERRORS) as error:
        return refused(pair, Refusal(code="unreadable", reason=" ".join(str(error).split())[:300]))
    return Outcome(
        child=pair.child.name,
        parents=(pair.parents[0].name,),
        recipe=recipe,
        refusal=None if recipe else Refusal(code="differs_strictly", reason="rows are not in the parent to the bit"),
        bytes_read=pair.n_bytes,
        rebuild_bytes_read=pair.parents[0].n_bytes if recipe else 0,
        rebuild_s=rebuild_s,
        seconds=time.monotonic() - started,
    )


def _solve(session: SparkSession, context: RecipeContext, pair: PairRefs) -> tuple[Recipe | None, float]:
    if len(pair.parents) > 1 or "text" in {table.read_via for table in (pair.child, *pair.parents)}:
        raise _TooLarge("several parents, or text, are compared in memory only")
    child, parent = (_described(context, table) for table in (pair.child, pair.parents[0]))
    traits = table_traits(context.lake, child)
    try:
        require_traits(traits, schema_from_text(child.schema_ipc), child.name)
    except PlanError as error:
        raise Refused("cannot_be_written", f"{error.what}: {error.value}") from error
    columns = dict(pair.columns[0]) if pair.columns else {leaf.token: leaf.token for leaf in child.leaves}
    own = {token: token for token in columns}
    types = {leaf.token: leaf.type for leaf in _leaves(context, child)}
    rows = _Hashed(session, context, types).of(child, own, "lakebed_child")
    found = _search(
        context, rows, _Hashed(session, context, types).of(parent, columns, "lakebed_parent"), parent, columns
    )
    if found is None:
        return None, 0.0
    multiplicity, selector = found
    theirs = {leaf.token: leaf.type for leaf in _leaves(context, parent)}
    maps = tuple(
        ColumnMap(child=token, parent=source, cast="" if theirs[source] == types[token] else str(types[token]))
        for token, source in columns.items()
    )
    part = Part(parent=parent, columns=maps, selector=selector, multiplicity=multiplicity)
    digest = _digest(context, child, rows)
    recipe = Recipe(child=child, parts=(part,), order=_ORDER, digest=digest, traits=traits)
    started = time.monotonic()
    rebuilt = _digest(context, child, _executed(session, context, recipe, types))
    return recipe if rebuilt.is_same_table(digest) else None, time.monotonic() - started


def _described(context: RecipeContext, table: TableRef) -> TableRef:
    reader = FooterReader(context.lake, table)
    reader.require_whole_timestamps()
    return reader.describe()


def _leaves(context: RecipeContext, table: TableRef) -> list[_Leaf]:
    schema = schema_from_text(table.schema_ipc)
    return [_Leaf(leaf.token, leaf.type) for leaf in schema_leaves(schema, context.lake.ignore_column_case)]


@dataclass(frozen=True)
class _Leaf:
    token: str
    type: pa.DataType


@dataclass(frozen=True)
class _Hashed:
    """Tables with the strict hash of each row as a row of the child; null where it cannot be one."""

    session: SparkSession
    context: RecipeContext
    types: Mapping[str, pa.DataType]

    def of(self, table: TableRef, columns: Mapping[str, str], view_name: str) -> DataFrame:
        """The table's columns, named by their place, behind the column `hash`."""
        relation, view = relation_of(self.context, table, view_name)
        if view:
            self.session.sql(view)
        names = schema_from_text(table.schema_ipc).names
        chosen = ", ".join(f"{identifier(name)} AS `{place}`" for place, name in enumerate(names))
        frame = self.session.sql(f"SELECT {chosen} FROM {relation}")  # noqa: S608 - quoted
        return self.hashed(frame, names, columns)

    def hashed(self, frame: DataFrame, names: Sequence[str], columns: Mapping[str, str]) -> DataFrame:
        """The frame with the hash before its columns, which are called `names`."""
        key, types, ignore_case = self.context.key, dict(self.types), self.context.lake.ignore_column_case

        def add(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                named = batch.rename_columns(list(names))
                hashes = _hashes(named, columns, types, key, ignore_case)
                yield pa.RecordBatch.from_arrays([hashes, *batch.columns], [_HASH, *batch.schema.names])

        return frame.mapInArrow(add, StructType([StructField(_HASH, BinaryType()), *frame.schema.fields]))


def _hashes(
    batch: pa.RecordBatch, columns: Mapping[str, str], types: Mapping[str, pa.DataType], key: bytes, ignore_case: bool
) -> pa.Array:
    leaves = {leaf.token: leaf for leaf in schema_leaves(batch.schema, ignore_case)}
    cells = batch_leaves(batch, [leaves[token] for token in dict.fromkeys(columns.values())])
    cast, valid = {}, None
    for token, source in columns.items():
        values, is_same = cast_where_same(cells[source].values, types[token])
        cast[token] = LeafArray(values, cells[source].null_depth)
        if is_same is not None:
            valid = is_same if valid is None else valid & is_same
    packed = strict_hashes(cast, key).tobytes()
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), batch.num_rows, [None, pa.py_buffer(packed)])
    plain = array.cast(pa.binary())
    return plain if valid is None else pc.if_else(pa.array(valid), plain, pa.scalar(None, pa.binary()))


def _digest(context: RecipeContext, child: TableRef, frame: DataFrame) -> StrictDigest:
    """The digest of a table of hashed rows; without their order."""
    import numpy as np

    key = context.key

    def add(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            data = b"".join(batch.column(0).to_pylist())
            rows = np.frombuffer(data, np.uint64).reshape(-1, 2)
            part = [
                pa.array([len(rows)], pa.int64()),
                pa.array([veiled(multiset_sum(rows, key).tobytes(), key)], pa.binary()),
            ]
            yield pa.RecordBatch.from_arrays(part, ["n", "part"])

    parts = frame.select(_HASH).mapInArrow(add, "n bigint, part binary").toArrow()
    empty = digest_of(schema_from_text(child.schema_ipc), np.empty((0, 2), np.uint64), context.key)
    sums = [np.frombuffer(unveiled(part, key), np.uint64) for part in parts["part"].to_pylist()]
    rows = sum_digest(total(sums), key).hex()
    n_rows = pc.sum(parts["n"], min_count=0).as_py()
    return empty.model_copy(update={"n_rows": n_rows, "rows": rows, "sequence": ""})


def _executed(
    session: SparkSession, context: RecipeContext, recipe: Recipe, types: Mapping[str, pa.DataType]
) -> DataFrame:
    """The rows that the recipe gives, hashed."""
    *before, query = sql_statements(context, Recipe.model_validate_json(recipe.model_dump_json()))
    for statement in before:
        session.sql(statement)
    names = schema_from_text(recipe.child.schema_ipc).names
    frame = session.sql(query).toDF(*map(str, range(len(names))))
    return _Hashed(session, context, types).hashed(frame, names, {token: token for token in types})


def _search(
    context: RecipeContext, child: DataFrame, parent: DataFrame, ref: TableRef, columns: Mapping[str, str]
) -> tuple[str, Where] | None:
    """Multiplicity and condition; None where the child is not contained to the bit.

    Raises:
        _TooLarge: if counts or row numbers would have to be stored.
    """
    in_child = child.groupBy(_HASH).agg(F.count("*").alias("c"))
    in_parent = parent.where(F.col(_HASH).isNotNull()).groupBy(_HASH).agg(F.count("*").alias("p"))
    both = in_child.join(in_parent, _HASH, "full").agg(
        F.sum(F.expr("int(p IS NULL)")).alias("missing"),
        F.sum(F.expr("int(p < c)")).alias("too_few"),
        F.sum(F.expr("int(p > c)")).alias("surplus"),
        F.sum("c").alias("n_child"),
        F.max("c").alias("most"),
    )
    counts = both.toArrow().to_pylist()[0]
    if counts["missing"]:
        return None
    if counts["too_few"] or (counts["surplus"] and counts["most"] > 1):
        raise _TooLarge("equal rows would have to be counted")
    multiplicity = "distinct" if counts["surplus"] else "as_is"
    is_member = in_child.select(_HASH, F.lit(1).alias(_MEMBER))
    marked = parent.join(is_member, _HASH, "left")
    terms = _terms(context, marked.where(F.col(_MEMBER).isNotNull()), ref, columns)
    outside = marked.where(F.col(_MEMBER).isNull())
    chosen = _chosen(context, outside, ref, terms)
    if chosen is None:
        raise _TooLarge("no condition selects its rows, and row numbers would have to be stored")
    partitions = {leaf.token for leaf in ref.leaves if leaf.is_partition}
    return multiplicity, Where(shape=_shape(chosen, partitions), terms=chosen)


def _shape(terms: Sequence[Term], partitions: set[str]) -> str:
    if terms and all(isinstance(term, Equals) and term.token in partitions for term in terms):
        return "partition"
    if len(terms) != 1:
        return "conjunction" if terms else "all"
    return "range" if isinstance(terms[0], Range) else "in"


def _terms(context: RecipeContext, members: DataFrame, ref: TableRef, columns: Mapping[str, str]) -> list[Term]:
    """The tight conditions of each column: equality, range, IN."""
    wanted = {leaf.token for leaf in ref.leaves if leaf.is_partition} | set(columns.values())
    leaves = [leaf for leaf in _leaves(context, ref) if leaf.token in wanted and can_rank(leaf.type)]
    if not leaves:
        return []
    names = {leaf.token: _place(ref, leaf.token) for leaf in leaves}
    parts = []
    for number, leaf in enumerate(leaves):
        name = names[leaf.token]
        nan = f"count_if(isnan({name}))" if pa.types.is_floating(leaf.type) else "0"
        facts = (f"min({name})", f"max({name})", f"count_if({name} IS NULL)", nan, f"approx_count_distinct({name})")
        parts += [F.expr(fact).alias(f"{number}_{kind}") for kind, fact in enumerate(facts)]
    row = members.agg(*parts).toArrow()
    few = [n for n in range(len(leaves)) if row[f"{n}_4"][0].as_py() <= 1.2 * context.config.max_in_values]
    sets = [F.expr(f"sort_array(collect_set({names[leaves[n].token]}))").alias(str(n)) for n in few]
    values = members.agg(*sets).toArrow() if sets else None
    terms: list[Term] = []
    for number, leaf in enumerate(leaves):
        if row[f"{number}_3"][0].as_py():
            continue
        ends = [pc.cast(row[f"{number}_{end}"], leaf.type)[0] for end in (0, 1)]
        listed = values[str(number)][0].values if values is not None and number in few else None
        terms += _terms_of(leaf, ends, bool(row[f"{number}_2"][0].as_py()), listed, ref, context)
    rank = {"equals": 0, "in": 0, "range": 1}
    return sorted(terms, key=lambda term: rank[term.kind] if len(getattr(term, "values", ())) < 2 else 2)


def _terms_of(
    leaf: _Leaf,
    ends: Sequence[pa.Scalar],
    or_null: bool,
    listed: pa.Array | None,
    ref: TableRef,
    context: RecipeContext,
) -> list[Term]:
    is_partition = any(one.token == leaf.token and one.is_partition for one in ref.leaves)
    if not ends[0].is_valid:
        return [Equals(token=leaf.token, value=None) if is_partition else In(token=leaf.token, values=(), or_null=True)]
    low, high = map(constant_of, ends)
    if low == high:
        if is_partition and not or_null:
            return [Equals(token=leaf.token, value=low)]
        return [In(token=leaf.token, values=(low,), or_null=or_null)]
    terms: list[Term] = [Range(token=leaf.token, low=low, high=high, or_null=or_null)]
    if not or_null:
        terms.append(Range(token=leaf.token))
    if listed is not None and len(listed) <= context.config.max_in_values:
        values = tuple(constant_of(value) for value in pc.cast(listed, leaf.type))
        terms.append(In(token=leaf.token, values=values, or_null=or_null))
    return terms


def _place(ref: TableRef, token: str) -> str:
    """SQL that names a leaf where top-level columns are called by their place."""
    top, *below = path_of(token)
    place = schema_from_text(ref.schema_ipc).names.index(str(top))
    return ".".join([f"`{place}`", *(identifier(str(step)) for step in below)])


def _chosen(
    context: RecipeContext, outside: DataFrame, ref: TableRef, terms: Sequence[Term]
) -> tuple[Term, ...] | None:
    """The first condition, or two, under which no row from outside falls."""
    types = {leaf.token: leaf.type for leaf in _leaves(context, ref)}
    texts = [condition(term, _place(ref, term.token), types[term.token]) for term in terms]
    partitions = [n for n, term in enumerate(terms) if isinstance(term, Equals)]
    attempts: list[tuple[int, ...]] = [(), *([tuple(partitions)] if len(partitions) > 1 else [])]
    attempts += [(n,) for n in range(len(terms))]
    attempts += list(combinations(range(min(len(terms), _MAX_PAIR_TERMS)), 2))
    wholes = [" AND ".join(texts[n] for n in attempt) or "TRUE" for attempt in attempts]
    row = outside.agg(*(F.expr(f"count_if({text})").alias(str(n)) for n, text in enumerate(wholes))).toArrow()
    works = [attempt for n, attempt in enumerate(attempts) if row[str(n)][0].as_py() == 0]
    return tuple(terms[n] for n in works[0]) if works else None

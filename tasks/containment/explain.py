"""Why a table is contained, contains, or only nearly so: each step's verdict, from the artifacts alone."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.tasks.containment.asked import MAX_READINGS
from lakebed.tasks.containment.kernel.min_max import Refutation, refute_pairs
from lakebed.tasks.containment.kernel.schema_graph import Int32, schema_edges
from lakebed.tasks.containment.statistics import LakeStatistics, load_statistics, read_inventory
from lakebed.tasks.containment.text_columns import TextColumns, compared_words, dotted
from lakebed.tasks.containment.trust import SUMMARY_KEY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

REASONS = {
    Refutation.ROWS: "the child has more rows than the parent",
    Refutation.TYPE: "the types of {column} cannot be equal: {child_type} against {parent_type}",
    Refutation.NULLS: "{column} has nulls in the child and none in the parent",
    Refutation.NO_VALUES: "{column} has values in the child and none in the parent",
    Refutation.MINIMUM: "the minimum of {column} is smaller in the child: {child_min} against {parent_min}",
    Refutation.MAXIMUM: "the maximum of {column} is larger in the child: {child_max} against {parent_max}",
    Refutation.GAP: "a bound of {column} in the child lies in no file of the parent",
    Refutation.VALUES: "{column} has partition values in the child that the parent lacks",
}
_LOOKS_EQUAL = " ({child_type} against {parent_type}: written alike, and not the same number)"
MAX_NEAR = 5


@dataclass(frozen=True)
class PairVerdict:
    """How one ordered pair ended.

    Attributes:
        child, parent: names.
        step: that decided: `min_max`, `sketch`, `proof`, or `definition`.
        verdict: `contained`, `not contained` or `not decided`.
        reason: in words.
        facts: the row of the artifact behind it.
    """

    child: str
    parent: str
    step: str
    verdict: str
    reason: str
    facts: dict[str, Any] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Explanation:
    """All that is known of one table's containments: the proven first, then the nearest misses."""

    table: str
    n_rows: int
    n_bytes: int
    n_schema_parents: int
    n_schema_children: int
    pairs: tuple[PairVerdict, ...]


@dataclass(frozen=True)
class _Known:
    """What the artifact says of a table's pairs: rows by (child_id, parent_id), unstable tables' reasons by name."""

    edges: Mapping[tuple[int, int], dict[str, Any]]
    candidates: Mapping[tuple[int, int], dict[str, Any]]
    unstable: Mapping[str, str]
    is_bag: bool
    has_near_misses: bool


def explain_table(
    store: ArtifactStore,
    inventory: ArtifactRef,
    containment: ArtifactRef,
    name: str,
    *,
    strict_types: bool = False,
    is_canonical: bool = False,
) -> Explanation:
    """Explains every pair of a table that its schema admits.

    Args:
        store: of the artifacts.
        inventory: of a run.
        containment: of the same run.
        name: of the table.
        strict_types: whether types were compared strictly.
        is_canonical: whether each type of text has one rendering only.

    Raises:
        SourceError: if there is no such table (near names are suggested), or it could not be read.
    """
    tables = store.read(inventory, "tables").sort_by("table_id")
    named = store.manifest(containment).summary.get(SUMMARY_KEY, {})
    numbers = dict(zip(tables["name"].to_pylist(), tables["table_id"].to_pylist(), strict=True))
    wrong = {numbers[name_]: tokens for name_, tokens in named.items()}
    parts, left_out = read_inventory(store, inventory, wrong, strict_types=strict_types)
    extras = (parts.file_bounds, parts.partition_values)
    lake = load_statistics(parts.tables, parts.columns, parts.files, extras, strict_types=strict_types)
    table = _table_id(lake, name, store, inventory)
    children, parents = _schema_pairs(lake, table)
    known = _known(store, containment, table)
    staged_root = store.folder(inventory.stage, inventory.key)
    texts = TextColumns(parts, lake, staged_root, is_strict=strict_types, is_canonical=is_canonical)
    pairs = (*_verdicts(texts, (children, parents), known), *_undecided(lake, (children, parents), left_out))
    row = tables.slice(table, 1).to_pylist()[0]
    return Explanation(
        table=lake.names[table],
        n_rows=row["n_rows"],
        n_bytes=row["n_bytes"],
        n_schema_parents=sum(pair.child == name for pair in pairs),
        n_schema_children=sum(pair.parent == name for pair in pairs),
        pairs=tuple(sorted(pairs, key=_rank)),
    )


def _table_id(lake: LakeStatistics, name: str, store: ArtifactStore, inventory: ArtifactRef) -> int:
    if name in lake.names:
        return lake.names.index(name)
    for row in store.read(inventory, "unreadable").to_pylist():
        if row["name"] == name:
            raise SourceError(f"{name} could not be read", value=row["reason"], hint=row["hint"])
    import difflib

    near = difflib.get_close_matches(name, lake.names, MAX_NEAR, 0.4)
    raise SourceError(
        "the lake has no such table",
        value=name,
        expected="a name as `lakebed tables` and the report print it",
        hint=f"lakebed tables --artifacts {store.root}",
        examples=near,
    )


def _schema_pairs(lake: LakeStatistics, table: int) -> tuple[Int32, Int32]:
    """Ordered pairs with the table, or a reading of it, as child or parent whose schemas allow a containment."""
    schema = lake.groups.schema_of_table[table]
    child_schemas, parent_schemas = schema_edges(lake.groups)
    above = np.isin(lake.groups.schema_of_table, parent_schemas[child_schemas == schema])
    below = np.isin(lake.groups.schema_of_table, child_schemas[parent_schemas == schema])
    mine = np.flatnonzero(lake.stands_for == table)
    above[mine] = below[mine] = False
    parents, children = np.flatnonzero(above), np.flatnonzero(below)
    return (
        np.concatenate([np.repeat(mine, len(parents)), np.tile(children, len(mine))]).astype(np.int32),
        np.concatenate([np.tile(parents, len(mine)), np.repeat(mine, len(children))]).astype(np.int32),
    )


def _known(store: ArtifactStore, containment: ArtifactRef, table: int) -> _Known:
    summary, unstable = store.manifest(containment).summary, store.read(containment, "unstable")
    return _Known(
        edges=_by_pair(store.read(containment, "edges"), table),
        candidates=_by_pair(store.read(containment, "candidates"), table),
        unstable=dict(zip(unstable["name"].to_pylist(), unstable["reason"].to_pylist(), strict=True)),
        is_bag=summary.get("semantics") == "bag",
        has_near_misses=summary["are_near_misses_complete"],
    )


def _by_pair(rows: pa.Table, table: int) -> dict[tuple[int, int], dict[str, Any]]:
    mine = rows.filter(pc.or_(pc.equal(rows["child_id"], table), pc.equal(rows["parent_id"], table)))
    return {(row["child_id"], row["parent_id"]): row for row in mine.to_pylist()}


def _verdicts(texts: TextColumns, pairs: tuple[Int32, Int32], known: _Known) -> Iterator[PairVerdict]:
    lake = texts.lake
    reasons, entries = refute_pairs(lake.bounds, *pairs, is_bag=known.is_bag)
    trivial = lake.bounds.trivial_tables()
    for place, pair in enumerate(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True)):
        if reasons[place] == Refutation.READING:
            continue
        names = (lake.name_of(pair[0]), lake.name_of(pair[1]))
        tables = (int(lake.stands_for[pair[0]]), int(lake.stands_for[pair[1]]))
        if tables in known.edges:
            verdict = _proven(names, known.edges[tables])
        elif trivial[pair[0]]:
            verdict = PairVerdict(*names, "definition", "contained", "the child has no rows, or nothing but nulls", {})
        elif reasons[place]:
            words, facts = _words(texts, pair, Refutation(int(reasons[place])), int(entries[place]))
            verdict = PairVerdict(*names, "min_max", "not contained", words, facts)
        else:
            verdict = _by_content(names, tables, known)
        columns = texts.compared(*pair)
        if columns and verdict.step != "definition":
            # a pair of which one column's types cannot be equal is told of that column alone
            words = "" if reasons[place] == Refutation.TYPE else compared_words(columns)
            facts = {**verdict.facts, "text_columns": columns}
            verdict = replace(verdict, reason=verdict.reason + words, facts=facts)
        yield verdict


def _undecided(lake: LakeStatistics, pairs: tuple[Int32, Int32], left_out: Mapping[int, int]) -> Iterator[PairVerdict]:
    """Pairs that no reading was taken for."""
    if not left_out:
        return
    reasons, _ = refute_pairs(lake.bounds, *pairs, is_bag=False)
    ends = [lake.stands_for[side].tolist() for side in pairs]
    is_read = dict.fromkeys(zip(*ends, strict=True), False)
    for pair, reason in zip(zip(*ends, strict=True), reasons.tolist(), strict=True):
        is_read[pair] |= reason != Refutation.READING
    for (child, parent), is_told in is_read.items():
        if not is_told and child != parent:
            table = child if child in left_out else parent
            words = (
                f"{lake.names[table]} is asked as text in {MAX_READINGS + left_out[table]:,} ways, of which the first "
                f"{MAX_READINGS} are compared; `containment.strict_types` compares none as text"
            )
            yield PairVerdict(lake.names[child], lake.names[parent], "min_max", "not decided", words, {})


def _by_content(names: tuple[str, str], pair: tuple[int, int], known: _Known) -> PairVerdict:
    """Of a pair that statistics leave and that is not proven."""
    if pair in known.candidates:
        return _compared(names, known.candidates[pair])
    for name in names:
        if name in known.unstable:
            return PairVerdict(*names, "sketch", "not decided", f"{name} was left out: {known.unstable[name]}", {})
    share = "no" if known.has_near_misses else "not every"
    return PairVerdict(*names, "sketch", "not contained", f"{share} sampled row of the child is in the parent", {})


def _proven(names: tuple[str, str], edge: dict[str, Any]) -> PairVerdict:
    certificate = json.loads(edge["certificate"])
    facts = {**edge, "certificate": certificate, "chance_parts": json.loads(edge["chance_parts"])}
    if "by_definition" in certificate:
        return PairVerdict(*names, "definition", "contained", certificate["by_definition"], facts)
    reason = f"all {edge['n_child_distinct']:,} distinct rows of the child are in the parent"
    if edge["coincidental"]:
        reason += f"; called coincidental, its chance is {edge['chance']:.2g}"
    return PairVerdict(*names, "proof", "contained", reason, facts)


def _compared(names: tuple[str, str], row: dict[str, Any]) -> PairVerdict:
    step = "proof" if row["verdict"] == "refuted_by_rows" else "sketch"
    if row["verdict"] == "passed_sample":
        words = f"none of {row['n_compared']:,} sampled rows is missing: a sample certifies nothing"
        return PairVerdict(*names, step, "not decided", words, row)
    is_exact = step == "proof"
    share = "" if is_exact or row["fraction"] is None else f", about {row['fraction']:.1%} contained"
    sampled = "" if is_exact else " sampled"
    words = f"{row['n_missing']:,} of {row['n_compared']:,}{sampled} distinct rows are not in the parent{share}"
    return PairVerdict(*names, step, "not contained", words, row)


def _words(texts: TextColumns, pair: tuple[int, int], reason: Refutation, entry: int) -> tuple[str, dict[str, Any]]:
    """A refutation by statistics in words, and the cell behind it where one is."""
    lake, columns = texts.lake, texts.parts.columns
    if entry < 0:
        return REASONS[reason], {}
    token = int(lake.bounds.token[entry])
    theirs = int(lake.entries(np.array([pair[1]]), np.array([token]))[0])
    mine, other = (columns.slice(int(lake.column_rows[place]), 1).to_pylist()[0] for place in (entry, theirs))
    looks_equal = {
        Refutation.MINIMUM: mine["min_text"] == other["min_text"],
        Refutation.MAXIMUM: mine["max_text"] == other["max_text"],
    }
    told = REASONS[reason] + (_LOOKS_EQUAL if looks_equal.get(reason) else "")
    words = told.format(
        column=dotted(lake.tokens[token]),
        child_type=mine["type"],
        parent_type=other["type"],
        child_min=mine["min_text"],
        child_max=mine["max_text"],
        parent_min=other["min_text"],
        parent_max=other["max_text"],
    )
    more, facts = texts.in_the_way(*pair, token) if reason == Refutation.TYPE else ("", {})
    return words + more, facts


def _rank(pair: PairVerdict) -> tuple[int, float, str, str]:
    order = {"contained": 0, "not decided": 1, "not contained": 2}
    return order[pair.verdict], -float(pair.facts.get("fraction") or 0.0), pair.child, pair.parent

"""Certificates and chance scores of proven edges, as rows of the artifact."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lakebed.connectors.version import ENGINE
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.contract import EDGES
from lakebed.tasks.containment.kernel.chance import Chance, ValueSketches, column_chances, edge_chance
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.kernel.schema_graph import Int32
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.encoding import ENCODING_ID
from lakebed.tasks.runtime.hash_key import key_id

MAX_LISTED_FILES = 20


@dataclass(frozen=True)
class ProvenPairs:
    """Pairs with nothing missing. Shapes: child, parent (k,); counts of the same k pairs."""

    child: Int32
    parent: Int32
    counts: PairCounts


@dataclass(frozen=True)
class TableFacts:
    """What certificates say of each table, by table_id, and of the hash key."""

    identity: list[dict[str, Any]]
    n_bytes: list[int]
    key_id: str


def table_facts(tables: pa.Table, files: pa.Table, digests: Mapping[str, str], key: bytes) -> TableFacts:
    """Identity of each table: name, format, Delta version, and its files with sizes, or their digest when many.

    A file's SHA-256 is given where its bytes were read as a whole; under `lake.paranoid` every file's is.
    """
    by_table: dict[int, list[dict[str, Any]]] = {}
    columns = ["table_id", "path", "size", "sha256"]
    for row in files.select(columns).sort_by([("table_id", "ascending"), ("path", "ascending")]).to_pylist():
        digest = row["sha256"] or digests.get(row["path"])
        by_table.setdefault(row["table_id"], []).append({"path": row["path"], "size": row["size"], "sha256": digest})
    rows = tables.sort_by("table_id").to_pylist()
    identity = [
        {
            "name": row["name"],
            "format": row["format"],
            "delta_version": row["delta_version"],
            **_files_identity(by_table.get(row["table_id"], [])),
        }
        for row in rows
    ]
    return TableFacts(identity, [row["n_bytes"] for row in rows], key_id(key))


def proven_rows(
    pairs: ProvenPairs, lake: LakeStatistics, values: ValueSketches, facts: TableFacts, config: ContainmentConfig
) -> list[dict[str, Any]]:
    """Rows of EDGES for pairs that the exact tier proved."""
    chances = _chances(pairs, lake, values)
    return [
        {
            **_names(lake, child, parent),
            "semantics": config.semantics,
            "n_child_rows": int(pairs.counts.n_child_rows[place]),
            "n_child_distinct": int(pairs.counts.n_child_distinct[place]),
            "n_parent_rows": int(pairs.counts.n_parent_rows[place]),
            "n_parent_distinct": int(pairs.counts.n_parent_distinct[place]),
            "chance": chance.chance,
            "coincidental": chance.chance > config.chance_threshold,
            "coincidental_reason": "chance" if chance.chance > config.chance_threshold else None,
            "chance_parts": _chance_parts(lake, child, chance),
            "child_bytes": facts.n_bytes[lake.stands_for[child]],
            "certificate": _certificate(pairs, place, lake, facts, config),
        }
        for place, (child, parent, chance) in enumerate(zip(pairs.child, pairs.parent, chances, strict=True))
    ]


def trivial_rows(
    children: Int32, parents: Int32, lake: LakeStatistics, facts: TableFacts, config: ContainmentConfig
) -> list[dict[str, Any]]:
    """Rows of EDGES for tables without rows or values, contained by definition."""
    return [
        {
            **_names(lake, child, parent),
            "semantics": config.semantics,
            "n_child_rows": int(lake.n_rows[child]),
            "n_child_distinct": min(1, int(lake.n_rows[child])),
            "n_parent_rows": int(lake.n_rows[parent]),
            "n_parent_distinct": None,
            "chance": 1.0,
            "coincidental": True,
            "coincidental_reason": "all-null" if lake.n_rows[child] else "empty",
            "chance_parts": "{}",
            "child_bytes": facts.n_bytes[child],
            "certificate": _json(
                {
                    **_parties(facts, child, parent, config),
                    "by_definition": "the child has no rows" if not lake.n_rows[child] else "all cells are null",
                }
            ),
        }
        for child, parent in zip(children, parents, strict=True)
    ]


def edge_table(rows: list[dict[str, Any]]) -> pa.Table:
    """The EDGES table: rows ordered by child and parent, mutual edges marked."""
    pairs = {(row["child_id"], row["parent_id"]) for row in rows}
    for row in rows:
        row["is_mutual"] = (row["parent_id"], row["child_id"]) in pairs
    ordered = sorted(rows, key=lambda row: (row["child_id"], row["parent_id"]))
    return pa.Table.from_pylist(ordered, schema=EDGES.arrow_schema())


def _chances(pairs: ProvenPairs, lake: LakeStatistics, values: ValueSketches) -> Iterator[Chance]:
    """Chance of each pair; a child's columns are scored once, whatever the number of its parents."""
    children = np.unique(pairs.child)
    # a span of column numbers per child, then all of them in a row: (Σ columns of the children,)
    spans = [np.arange(*lake.columns_of(int(child)).indices(len(lake.bounds.token))[:2]) for child in children]
    columns = np.concatenate([np.empty(0, np.int64), *spans])
    scores = column_chances(lake.bounds, values, columns)
    # and cut again: child → (its columns,)
    of_child = dict(
        zip(children.tolist(), np.split(scores, np.cumsum([len(span) for span in spans])[:-1]), strict=True)
    )
    n_distinct = values.n_distinct()
    for place, (child, parent) in enumerate(zip(pairs.child.tolist(), pairs.parent.tolist(), strict=True)):
        # (columns of the child,): their tokens, and where the parent keeps the columns of the same tokens
        tokens = lake.bounds.token[lake.columns_of(child)].astype(np.int64)
        theirs = lake.entries(np.full(len(tokens), parent, np.int64), tokens)
        yield edge_chance(
            of_child[child],
            int(pairs.counts.n_parent_distinct[place]),
            n_distinct[theirs],
            int(pairs.counts.n_child_distinct[place]),
        )


def _chance_parts(lake: LakeStatistics, child: int, chance: Chance) -> str:
    tokens = [lake.tokens[token] for token in lake.bounds.token[lake.columns_of(child)]]
    columns = {token: round(value, 9) for token, value in zip(tokens, chance.columns, strict=True)}
    return _json({"columns": columns, "parent_row_density": chance.density, "is_heuristic": True})


def _certificate(
    pairs: ProvenPairs, place: int, lake: LakeStatistics, facts: TableFacts, config: ContainmentConfig
) -> str:
    child, parent, counts = int(pairs.child[place]), int(pairs.parent[place]), pairs.counts
    sizes = max(1, int(counts.n_child_distinct[place])) * max(1, int(counts.n_parent_distinct[place]))
    tokens = [json.loads(lake.tokens[token]) for token in lake.bounds.token[lake.columns_of(child)]]
    as_text = lake.compared_as_text(child, parent)
    return _json(
        {
            **_parties(facts, int(lake.stands_for[child]), int(lake.stands_for[parent]), config),
            "columns": tokens,
            "column_map": "each column of the child to the parent's of the same name",
            **({"compared_as_text": [json.loads(token) for token in as_text]} if as_text else {}),
            "n_child_rows": int(counts.n_child_rows[place]),
            "n_child_distinct": int(counts.n_child_distinct[place]),
            "n_parent_rows": int(counts.n_parent_rows[place]),
            "n_parent_distinct": int(counts.n_parent_distinct[place]),
            "child_rows_hash": counts.child_hash[place].astype("<u8").tobytes().hex(),
            "matched_rows_hash": counts.matched_hash[place].astype("<u8").tobytes().hex(),
            "anti_join_count": int(counts.n_missing[place]),
            "false_proof_bound_log2": round(math.log2(sizes) - 128, 3),
        }
    )


def _parties(facts: TableFacts, child: int, parent: int, config: ContainmentConfig) -> dict[str, Any]:
    return {
        "child": facts.identity[child],
        "parent": facts.identity[parent],
        "semantics": config.semantics,
        "strict_types": config.strict_types,
        "encoding": ENCODING_ID,
        "key_id": facts.key_id,
        "engine": ENGINE,
    }


def _names(lake: LakeStatistics, child: int, parent: int) -> dict[str, Any]:
    return {
        "child": lake.name_of(child),
        "parent": lake.name_of(parent),
        "child_id": int(lake.stands_for[child]),
        "parent_id": int(lake.stands_for[parent]),
    }


def _files_identity(files: list[dict[str, Any]]) -> dict[str, Any]:
    listing = _json(files).encode()
    shown = files if len(files) <= MAX_LISTED_FILES else []
    return {"n_files": len(files), "files_digest": hashlib.sha256(listing).hexdigest(), "files": shown}


def _json(value: Mapping[str, Any] | list[Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

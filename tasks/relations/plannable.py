"""Proven relations that a plan may build on: what retention and recipes take from this stage.

A row of `relations.proven` is plannable where it concerns a whole table (kind `union` or `renamed`, no `child_part`)
and is not called coincidental. Its certificate proves row containment under containment's semantics; that the child can
be rebuilt, to the last byte and in order, is for the recipe to show, which is executed and compared.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.runtime.artifacts import ArtifactRef, ArtifactStore

KINDS = ("union", "renamed")


@dataclass(frozen=True)
class PlannableRelation:
    """A table whose rows all lie in its parents together.

    Attributes:
        relation_id: row of `relations.proven`.
        kind: `union` (two parents or more, all needed) or `renamed` (one parent).
        child, child_id: name and table_id.
        parents, parent_ids: the same of the parents, the one that adds the most rows first.
        columns: for each parent, the child's column tokens → its own; `PairRefs.columns` of recipes takes it as it is.
        semantics: under which it was proven.
    """

    relation_id: int
    kind: str
    child: str
    child_id: int
    parents: tuple[str, ...]
    parent_ids: tuple[int, ...]
    columns: tuple[dict[str, str], ...]
    semantics: str


def plannable_relations(store: ArtifactStore, relations: ArtifactRef) -> Iterator[PlannableRelation]:
    """The plannable rows, by `relation_id`."""
    for row in store.read(relations, "proven").sort_by("relation_id").to_pylist():
        if row["kind"] in KINDS and not row["child_part"] and not row["coincidental"]:
            yield PlannableRelation(
                relation_id=row["relation_id"],
                kind=row["kind"],
                child=row["child"],
                child_id=row["child_id"],
                parents=tuple(row["parents"]),
                parent_ids=tuple(row["parent_ids"]),
                columns=(json.loads(row["column_map"]),) * len(row["parents"]),
                semantics=row["semantics"],
            )

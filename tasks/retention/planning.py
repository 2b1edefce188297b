"""The plan of a retention artifact: its decisions, bound to the state of the tables that they concern."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.retention.config import KeeperConfig, RetentionConfig
from lakebed.tasks.retention.identity import LakeState, digested
from lakebed.tasks.retention.keeper import require_keepers
from lakebed.tasks.retention.parents import parent_change, rows_read
from lakebed.tasks.retention.plan import (
    Evidence,
    FileIdentity,
    Plan,
    PlannedTable,
    Saving,
    TableIdentity,
    leaving,
    read_copies,
)
from lakebed.tasks.retention.recipes.model import FileRef, KeptFile, Recipe
from lakebed.tasks.retention.stage import RETENTION
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.keys import canonical_json

RUN_AGAIN = "lakebed run"
Row = dict[str, Any]


@dataclass(frozen=True)
class PlanSource:
    """What a plan is made from: the artifacts of a run by stage, and the settings that it ran with."""

    store: ArtifactStore
    refs: Mapping[str, ArtifactRef]
    lake: LakeConfig
    config: RetentionConfig


@dataclass(frozen=True)
class _Known:
    """The artifacts' rows by table name; identities as the inventory saw them."""

    decisions: Mapping[str, Row]
    rebuilds: Mapping[str, Row]
    identities: Mapping[str, TableIdentity]


def make_plan(source: PlanSource, created_at: str = "") -> Plan:
    """The plan, sealed. Reads the artifacts, lists the lake, and reads every byte of the tables that the plan concerns.

    A table that a symbolic link of the lake leads to stays.

    Raises:
        PlanError: if a table that is to be deleted, or one of its parents, is not what the run saw, or if a parent
            ranks lower, as it may where an earlier version decided.
        ArtifactError: if an artifact is missing or damaged.
    """
    known = _load(source)
    state = LakeState.of(source.lake)
    now = _current(state, known)
    _require_recipes_fit(known, now)
    tables = [_planned(source, known, name, now.get(name)) for name in sorted(known.decisions)]
    plan = Plan(
        lake=source.lake,
        lake_identity=str(source.store.manifest(source.refs["inventory"]).summary["source_identity"]),
        artifacts={stage: ref for stage, ref in source.refs.items() if stage in (*RETENTION.requires, RETENTION.name)},
        artifact_root=source.store.root,
        config_digest=hashlib.sha256(canonical_json(source.config.deciding()).encode()).hexdigest(),
        currency=source.config.prices.currency,
        prices_date=source.config.prices.date,
        tables=tuple(tables),
        copies=tuple(read_copies(source.store, source.refs["retention"])),
        ranking=KeeperConfig(**source.config.model_dump(include=set(KeeperConfig.model_fields))),
    )
    require_keepers(plan, source.config, RUN_AGAIN)
    linked = {one.name: state.link_to(one.identity) or state.link_in(one.identity) for one in plan.deleted}
    held = {name: ("hold", why) for name, why in linked.items() if why}
    return (leaving(plan, held) if held else plan).sealed(created_at)


def _load(source: PlanSource) -> _Known:
    store, refs = source.store, source.refs
    return _Known(
        decisions={row["name"]: row for row in store.read(refs["retention"], "decisions").to_pylist()},
        rebuilds={row["child"]: row for row in store.read(refs["retention"], "rebuilds").to_pylist()},
        identities=_inventoried(store, refs["inventory"]),
    )


def _inventoried(store: ArtifactStore, inventory: ArtifactRef) -> dict[str, TableIdentity]:
    files: dict[int, list[FileIdentity]] = {}
    columns = ["table_id", "path", "size", "mtime_ns", "etag", "sha256"]
    for row in store.read(inventory, "files", columns).to_pylist():
        table = row.pop("table_id")
        files.setdefault(table, []).append(FileIdentity(**row))
    return {
        row["name"]: TableIdentity(
            name=row["name"],
            format=row["format"],
            path=row["path"],
            delta_version=row["delta_version"],
            files=tuple(sorted(files.get(row["table_id"], []), key=lambda file: file.path)),
        )
        for row in store.read(inventory, "tables").to_pylist()
    }


def _current(state: LakeState, known: _Known) -> dict[str, TableIdentity]:
    """The tables that the plan concerns as they lie there now, with the digests of their bytes.

    Raises:
        PlanError: if a table to delete is not what the run saw, or a parent lacks something that it saw.
    """
    told = {child: next(iter(state.changes(known.identities[child])), "") for child in known.rebuilds}
    rows = rows_read(json.loads(row["recipe"]) for row in known.rebuilds.values())
    for parent in sorted({parent for row in known.rebuilds.values() for parent in row["parents"]}):
        change = parent_change(state.root, known.identities[parent], rows, state.files.get)
        told[parent] = change.told if change else ""
    if changed := [f"{name}: {what}" for name, what in sorted(told.items()) if what]:
        raise PlanError(
            f"{len(changed)} tables have changed since the run that decided",
            value=changed[0],
            expected="the files that the run saw",
            hint=RUN_AGAIN,
            examples=changed[1:],
        )
    now = [state.again(known.identities[name], is_going=name in known.rebuilds) for name in told]
    return {one.name: one for one in digested(state.root, now)}


def _require_recipes_fit(known: _Known, now: Mapping[str, TableIdentity]) -> None:
    """The bytes are those that the recipes were made of and compared with."""
    for row in known.rebuilds.values():
        recipe = Recipe.model_validate_json(row["recipe"])
        for ref in (recipe.child, *(part.parent for part in recipe.parts)):
            _require_bytes(ref.name, ref.files, now[ref.name].files)
        if recipe.metadata is not None:
            found = now[recipe.child.name].log_files
            _require_bytes(recipe.child.name, recipe.metadata.files, found)
            if more := sorted({file.path for file in found} - {file.path for file in recipe.metadata.files}):
                raise _changed(f"{recipe.child.name}: {more[0]} is new", "the files that were there then")


def _require_bytes(name: str, wanted: Sequence[FileRef | KeptFile], found: Sequence[FileIdentity]) -> None:
    digests = {file.path: file.sha256 for file in found}
    for file in wanted:
        if file.sha256 and digests.get(file.path) != file.sha256:
            raise _changed(f"{name}: {file.path}", f"SHA-256 {file.sha256}")


def _changed(value: str, expected: str) -> PlanError:
    return PlanError("a table has changed since its rebuild was tried", value=value, expected=expected, hint=RUN_AGAIN)


def _planned(source: PlanSource, known: _Known, name: str, now: TableIdentity | None) -> PlannedTable:
    row = known.decisions[name]
    return PlannedTable(
        name=name,
        decision=row["decision"],
        reason=row["reason"],
        why=row["why"],
        n_rows=row["n_rows"],
        n_bytes=row["n_bytes"],
        n_accesses=row["n_accesses"],
        identity=now or known.identities[name],
        needed_by=tuple(row["needed_by"]),
        **(_deletion(source, known, row) if row["decision"] == "delete" else {}),
    )


def _deletion(source: PlanSource, known: _Known, row: Row) -> Row:
    rebuild = known.rebuilds[row["name"]]
    parents = tuple(rebuild["parents"])
    return {
        "parents": parents,
        "recipe": Recipe.model_validate_json(rebuild["recipe"]).model_dump(mode="json"),
        "original_hash": rebuild["original_hash"],
        "rebuild_latency_s": row["rebuild_s"],
        "saving": Saving(
            storage=row["storage_cost"],
            maintenance=row["maintenance_cost"],
            read=row["read_cost"],
            rebuild=row["rebuild_cost"],
            total=row["saving"],
        ),
        "evidence": tuple(_evidence(source, rebuild, parent) for parent in parents),
    }


def _evidence(source: PlanSource, rebuild: Row, parent: str) -> Evidence:
    return Evidence(
        child=rebuild["child"],
        parent=parent,
        artifact=source.refs[rebuild["source"]],
        semantics=rebuild["semantics"],
        certificate_sha256=rebuild["certificate_sha256"],
    )

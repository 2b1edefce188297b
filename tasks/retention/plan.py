"""The plan: what is kept, what may go, how it is rebuilt, and the exact state of the lake that it holds for.

`plan.json` carries the digest of its own content, so that an edit by hand is noticed; a plan is made again, not edited.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.model import TableFormat
from lakebed.connectors.paths import InsidePath
from lakebed.connectors.storage import join_uri
from lakebed.tasks.retention.config import KeeperConfig
from lakebed.tasks.retention.words import needed_text
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts

PLAN_VERSION = 1
ROWS_FOLDER = "recipes"
MAKE_AGAIN = "lakebed plan --artifacts DIR --out plan.json"

# left out of the digest where they are empty, so that plans made before there were such fields keep their ids
_LATER_FIELDS = ("copies", "ranking")

Decision = Literal["keep", "delete"]


class FileIdentity(FrozenConfig):
    """One file: path below the lake's root, size in bytes, time of change in ns, the store's tag, SHA-256 in hex.

    The SHA-256 is given for tables that are planned for deletion and for their parents, else it is empty.
    """

    path: InsidePath
    size: int
    mtime_ns: int
    etag: str = ""
    sha256: str = ""


class TableIdentity(FrozenConfig):
    """The state of a table: what must not have moved when a plan is applied.

    Attributes:
        path: folder or file below the lake's root; "." is the root itself.
        files: its data files, of a Delta table those of its newest version.
        log_files: the files of a Delta table's log; of an Iceberg table that goes all others in its folder.
    """

    name: InsidePath
    format: TableFormat
    path: InsidePath
    delta_version: int | None = None
    files: tuple[FileIdentity, ...]
    log_files: tuple[FileIdentity, ...] = ()


class Saving(FrozenConfig):
    """What a table's deletion saves in a month, in the plan's currency; `rebuild` is what rebuilding then costs."""

    storage: float
    maintenance: float
    read: float
    rebuild: float
    total: float


class Evidence(FrozenConfig):
    """What proves a containment: the edge's row in the containment artifact, and the SHA-256 of its certificate."""

    child: str
    parent: str
    artifact: ArtifactRef
    semantics: str
    certificate_sha256: str


class PlannedTable(FrozenConfig):
    """One table of a plan.

    Attributes:
        reason: code of the decision; `why` says it in words.
        n_accesses: expected in a month.
        needed_by: deleted tables that are rebuilt from this one, which pins it.
        parents: of a deleted table, what it is rebuilt from; their identities stand under their own names.
        recipe: of a deleted table, how: an object that `lakebed.tasks.retention.recipes` reads.
        original_hash: strict multiset hash of a deleted table's rows, as `lakebed.tasks.retention.recipes` makes it.
        rebuild_latency_s: estimated seconds of one rebuild.
    """

    name: InsidePath
    decision: Decision
    reason: str
    why: str
    n_rows: int
    n_bytes: int
    n_accesses: float
    identity: TableIdentity
    needed_by: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    recipe: dict[str, Any] | None = None
    original_hash: str = ""
    saving: Saving | None = None
    rebuild_latency_s: float | None = None
    evidence: tuple[Evidence, ...] = ()


class EqualCopies(FrozenConfig):
    """Tables of the same rows and columns: `keeper` is the best in rank of those that stay.

    `signal` is what decides against the others, `because` says it of each in words.
    """

    keeper: str
    tables: tuple[str, ...]
    deleted: tuple[str, ...]
    signal: str
    because: str

    @property
    def stays(self) -> str:
        """The keeper in words; of a group that goes as a whole, that none does."""
        return "none" if self.keeper in self.deleted else self.keeper

    @property
    def told(self) -> str:
        """Why the keeper is kept, or why none is."""
        return "all of them are rebuilt from a table that holds more" if self.keeper in self.deleted else self.because


class Plan(FrozenConfig):
    """A whole plan.

    Attributes:
        plan_id: hex SHA-256 of all below but `created_at`.
        lake: how the lake was listed, its root first; `lake_identity` is that of all its files.
        artifacts: what the plan was made from, by stage; `artifact_root` is where they lie.
        config_digest: hex SHA-256 of the retention config.
        currency: of all money, with prices of `prices_date`.
        skip: globs of tables that `apply` leaves; people may edit it, the seal does not cover it.
        copies: the groups of equal copies; `ranking` are the settings that ranked them. Plans of before have neither.
    """

    version: int = PLAN_VERSION
    plan_id: str = ""
    created_at: str = ""
    lake: LakeConfig
    lake_identity: str
    artifacts: dict[str, ArtifactRef]
    artifact_root: str = ""
    config_digest: str
    currency: str
    prices_date: str
    tables: tuple[PlannedTable, ...] = Field(default_factory=tuple)
    copies: tuple[EqualCopies, ...] = ()
    ranking: KeeperConfig | None = None
    skip: tuple[str, ...] = ()

    def table(self, name: str) -> PlannedTable:
        """The table of that name.

        Raises:
            PlanError: if the plan has none.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise PlanError("the plan names no such table", value=name, expected="a table of the plan", hint=MAKE_AGAIN)

    @property
    def deleted(self) -> tuple[PlannedTable, ...]:
        """The tables to delete, by name."""
        return tuple(table for table in self.tables if table.decision == "delete")

    @property
    def rows_folder(self) -> str:
        """Where the row numbers lie that recipes keep beside themselves; empty where no artifact root is named."""
        retention = self.artifacts.get("retention")
        return join_uri(self.artifact_root, "retention", retention.key, ROWS_FOLDER) if retention else ""

    def content_digest(self) -> str:
        """Hex SHA-256 over everything but the id itself and the time."""
        later = {name for name in _LATER_FIELDS if not getattr(self, name)}
        content = self.model_dump(mode="json", exclude={"plan_id", "created_at", "skip", *later})
        return sha256_of_parts([b"lakebed plan", canonical_json(content).encode()])

    def sealed(self, created_at: str = "") -> "Plan":
        """The plan with its id."""
        return self.model_copy(update={"plan_id": self.content_digest(), "created_at": created_at})


def leaving(plan: Plan, reasons: Mapping[str, tuple[str, str]]) -> Plan:
    """The plan with some of its tables kept after all, under its old seal.

    Args:
        plan: the plan.
        reasons: code and words of why a table stays, by its name.

    Raises:
        PlanError: if the plan does not delete one of them.
    """
    deleted = {table.name for table in plan.deleted}
    if unknown := sorted(set(reasons) - deleted):
        raise PlanError(
            "a table to keep is not one that the plan deletes; nothing was done",
            value=unknown[0],
            expected=", ".join(sorted(deleted)[:5]),
            hint="write the names as the plan has them",
            examples=unknown[1:],
        )
    return plan.model_copy(update={"tables": tuple(_left(table, reasons) for table in plan.tables)})


def _left(table: PlannedTable, reasons: Mapping[str, tuple[str, str]]) -> PlannedTable:
    needed_by = tuple(child for child in table.needed_by if child not in reasons)
    if table.name not in reasons:
        is_other = table.reason == "parent" and needed_by != table.needed_by
        why = table.why.replace(needed_text(table.needed_by), needed_text(needed_by)) if is_other else table.why
        return table.model_copy(update={"needed_by": needed_by, "why": why})
    reason, why = reasons[table.name]
    facts = {"decision": "keep", "reason": reason, "why": why, "needed_by": needed_by}
    return table.model_copy(update={**facts, "parents": (), "recipe": None, "original_hash": "", "evidence": ()})


def write_plan(plan: Plan, path: Path) -> None:
    """Writes a sealed plan, whole or not at all.

    Raises:
        PlanError: if the file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise PlanError(
            f"the plan cannot be written: {error.strerror}", value=path, hint="choose another file with --out"
        ) from error


def read_plan(path: Path) -> Plan:
    """Reads a plan, and holds it to its own digest.

    Raises:
        PlanError: if it is missing, no plan, of another version, incomplete, or changed since it was made.
    """
    values = _json_object(path)
    if values.get("version") != PLAN_VERSION:
        raise PlanError(
            "the plan is of another version",
            value=values.get("version"),
            expected=f"version {PLAN_VERSION}",
            hint=MAKE_AGAIN,
        )
    try:
        plan = Plan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise PlanError(
            "the plan is not whole", value=f"{place}: {first['msg']}", expected="what plan wrote", hint=MAKE_AGAIN
        ) from error
    require_sealed(plan)
    return plan


def read_copies(store: ArtifactStore, retention: ArtifactRef) -> list[EqualCopies]:
    """The groups of an artifact; none of one that an earlier version made.

    Raises:
        ArtifactError: if the artifact is missing or damaged.
    """
    if "copies" not in store.manifest(retention).tables:
        return []
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in store.read(retention, "copies").to_pylist():
        groups.setdefault(row["group"], []).append(row)
    return [_group(rows) for _, rows in sorted(groups.items())]


def _group(rows: Sequence[Mapping[str, Any]]) -> EqualCopies:
    keeper = next(row for row in rows if row["name"] == row["keeper"])
    return EqualCopies(
        keeper=keeper["name"],
        tables=tuple(row["name"] for row in rows),
        deleted=tuple(row["name"] for row in rows if row["decision"] == "delete"),
        signal=keeper["signal"],
        because=keeper["why"],
    )


def require_sealed(plan: Plan) -> None:
    """Refuses a plan whose content is not what its id says, and one whose deletions rest on tables it does not keep.

    Raises:
        PlanError: naming the plan's id and its content's.
    """
    digest = plan.content_digest()
    if plan.plan_id != digest:
        raise PlanError(
            "the plan was changed after it was made; nothing was done",
            value=f"its id is {plan.plan_id[:16] or 'missing'}, its content's {digest[:16]}",
            expected="a plan as `lakebed plan` wrote it",
            hint=MAKE_AGAIN,
        )
    kept = {table.name for table in plan.tables if table.decision == "keep"}
    for table in plan.deleted:
        if not table.parents or table.recipe is None or not table.original_hash or not kept.issuperset(table.parents):
            raise PlanError(
                "the plan deletes a table without a recipe over tables that it keeps",
                value=f"{table.name} from {', '.join(table.parents) or 'nothing'}",
                expected="a recipe, the hash of the original, and parents that are kept",
                hint=MAKE_AGAIN,
            )


def require_lake(plan: Plan, root: str) -> None:
    """Refuses a plan that was made for another lake.

    Raises:
        PlanError: naming both roots.
    """
    if plan.lake.root != root:
        raise PlanError("the plan is for another lake", value=root, expected=plan.lake.root, hint=MAKE_AGAIN)


def _json_object(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlanError("there is no such plan", value=path, expected="a plan file", hint=MAKE_AGAIN) from error
    except (OSError, ValueError) as error:
        raise PlanError(
            "the plan cannot be read", value=f"{path}: {error}", expected="JSON", hint=MAKE_AGAIN
        ) from error
    if not isinstance(values, dict):
        raise PlanError("the plan cannot be read", value=path, expected="a JSON object", hint=MAKE_AGAIN)
    return values

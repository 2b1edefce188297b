"""The certificates that a plan rests on."""

import hashlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.tasks.retention.plan import MAKE_AGAIN, Plan
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore

Proof = tuple[str, str, str]

# where proofs stand, by stage: the artifact's table, and its column of parents, which is a list for unions
_TABLES = {"containment": ("edges", "parent"), "relations": ("proven", "parents")}


def require_evidence(plan: Plan) -> None:
    """Compares each certificate that the plan names with the one in the artifact that proved it.

    Raises:
        PlanError: if an artifact is gone or damaged, or a certificate is missing or another.
    """
    known: dict[ArtifactRef, AbstractSet[Proof]] = {}
    for evidence in (one for table in plan.deleted for one in table.evidence):
        ref = evidence.artifact
        if ref not in known:
            known[ref] = _proofs(plan.artifact_root, ref)
        if (evidence.child, evidence.parent, evidence.certificate_sha256) not in known[ref]:
            raise PlanError(
                "a certificate that the plan rests on is not in its artifact; nothing was done",
                value=f"{evidence.child} in {evidence.parent}",
                expected=f"a certificate with SHA-256 {evidence.certificate_sha256[:16]}…",
                hint=f"lakebed run, then {MAKE_AGAIN}",
            )


def _proofs(root: str, ref: ArtifactRef) -> AbstractSet[Proof]:
    """Child, parent and SHA-256 of the certificate of everything that an artifact proves."""
    table, parent = _TABLES.get(ref.stage, ("edges", "parent"))
    try:
        rows = ArtifactStore(root).read(ref, table, ["child", parent, "certificate"]).to_pylist()
    except LakeError as error:
        raise PlanError(
            "the artifact that the plan rests on cannot be read; nothing was done",
            value=f"{root}: {error.what}",
            expected=f"the {ref.stage} artifact {ref.key[:12]}",
            hint=f"lakebed run, then {MAKE_AGAIN}",
        ) from error
    return {(row["child"], name, _sha256(row["certificate"])) for row in rows for name in _names(row[parent])}


def _names(parents: str | Sequence[str]) -> Sequence[str]:
    return [parents] if isinstance(parents, str) else parents


def _sha256(certificate: str) -> str:
    return hashlib.sha256(certificate.encode()).hexdigest()

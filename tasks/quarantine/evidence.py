"""The certificates that a plan rests on."""

import hashlib
from collections.abc import Mapping

from connectors.errors import LakeError, PlanError
from tasks.retention.plan import MAKE_AGAIN, Plan
from tasks.runtime.artifacts import ArtifactRef, ArtifactStore

Certificates = Mapping[tuple[str, str], str]


def require_evidence(plan: Plan) -> None:
    """Compares each certificate that the plan names with the one in the containment artifact.

    Raises:
        PlanError: if an artifact is gone or damaged, or a certificate is missing or another.
    """
    known: dict[ArtifactRef, Certificates] = {}
    for evidence in (one for table in plan.deleted for one in table.evidence):
        ref = evidence.artifact
        if ref not in known:
            known[ref] = _certificates(plan.artifact_root, ref)
        if known[ref].get((evidence.child, evidence.parent)) != evidence.certificate_sha256:
            raise PlanError(
                "a certificate that the plan rests on is not in its artifact; nothing was done",
                value=f"{evidence.child} in {evidence.parent}",
                expected=f"a certificate with SHA-256 {evidence.certificate_sha256[:16]}…",
                hint=f"lakebed run, then {MAKE_AGAIN}",
            )


def _certificates(root: str, ref: ArtifactRef) -> Certificates:
    """SHA-256 of each certificate of an artifact, by child and parent."""
    try:
        edges = ArtifactStore(root).read(ref, "edges", ["child", "parent", "certificate"]).to_pylist()
    except LakeError as error:
        raise PlanError(
            "the artifact that the plan rests on cannot be read; nothing was done",
            value=f"{root}: {error.what}",
            expected=f"the containment artifact {ref.key[:12]}",
            hint=f"lakebed run, then {MAKE_AGAIN}",
        ) from error
    return {(row["child"], row["parent"]): hashlib.sha256(row["certificate"].encode()).hexdigest() for row in edges}

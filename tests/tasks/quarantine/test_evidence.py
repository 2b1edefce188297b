import hashlib

import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.evidence import require_evidence
from lakebed.tasks.retention.plan import Evidence
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from tests.tasks.retention.lakes import contained_lake


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    workspace, _, containment = contained_lake(tmp_path_factory.mktemp("evidence"))
    return ArtifactStore(workspace.artifacts), containment


def with_evidence(case, published, **changes):
    store, ref = published
    row = store.read(ref, "edges", ["child", "parent", "certificate"]).to_pylist()[0]
    digest = hashlib.sha256(row["certificate"].encode()).hexdigest()
    facts = {"child": row["child"], "parent": row["parent"], "artifact": ref, "semantics": "set"}
    evidence = Evidence.model_validate(facts | {"certificate_sha256": digest} | changes)
    tables = [
        table.model_copy(update={"evidence": (evidence,)}) if table.name == "part" else table
        for table in case.plan.tables
    ]
    return case.plan.model_copy(update={"tables": tuple(tables), "artifact_root": store.root})


def test_the_certificate_in_the_artifact_passes(case, published):
    require_evidence(with_evidence(case, published))


@pytest.mark.parametrize(
    "change",
    [{"certificate_sha256": "0" * 64}, {"child": "nobody"}, {"parent": "nobody"}],
)
def test_another_certificate_or_none_is_refused(case, published, change):
    with pytest.raises(PlanError, match="is not in its artifact"):
        require_evidence(with_evidence(case, published, **change))


def test_an_artifact_that_is_gone_is_refused(case, published):
    gone = ArtifactRef(stage="containment", key="0" * 64, digest="0" * 64)
    with pytest.raises(PlanError, match="cannot be read") as caught:
        require_evidence(with_evidence(case, published, artifact=gone))
    assert "lakebed run" in caught.value.hint

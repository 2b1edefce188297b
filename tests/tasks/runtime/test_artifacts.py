import json
from pathlib import Path

import pytest
from deltalake import write_deltalake

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore, Verdict
from tests.tasks.runtime.child_publish import make_stage, publish
from tests.tasks.runtime.conftest import EDGES, edge_rows


@pytest.fixture
def ref(tmp_path):
    return publish(make_stage(str(tmp_path)))


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(str(tmp_path))


def folder(store, ref):
    return Path(store.folder(ref.stage, ref.key))


def test_a_published_artifact_is_found_and_read(store, ref):
    assert store.find("containment", ref.key) == ref
    assert store.find("containment", "0" * 64) is None
    assert store.read(ref, "edges", ["child"]).num_rows == 5
    assert store.manifest(ref).summary == {"proven": 5}
    assert store.metrics(ref)["rows"] == 5


def test_the_manifest_holds_nothing_of_the_run(store, ref):
    text = (folder(store, ref) / "manifest.json").read_text()
    assert store.metrics(ref)["created_at"] not in text
    assert str(folder(store, ref)) not in text


@pytest.mark.parametrize("pattern", ["edges/*.parquet", "edges/_delta_log/*.json", "weights.bin"])
@pytest.mark.parametrize("damage", ["missing", "longer"])
def test_a_missing_or_changed_file_ends_reuse(store, ref, pattern, damage):
    victim = next(folder(store, ref).glob(pattern))
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes() + b"x")
    assert store.find(ref.stage, ref.key) is None


def test_a_table_that_somebody_appended_to_ends_reuse(store, ref):
    write_deltalake(store.table_uri(ref, "edges"), EDGES.table(edge_rows(1)), mode="append")
    assert store.find(ref.stage, ref.key) is None


def test_an_unreadable_manifest_ends_reuse(store, ref):
    (folder(store, ref) / "manifest.json").write_text("{")
    assert store.find(ref.stage, ref.key) is None
    with pytest.raises(ArtifactError, match="missing or has changed"):
        store.manifest(ref)


def test_a_reference_to_other_content_is_refused(store, ref):
    with pytest.raises(ArtifactError, match="missing or has changed"):
        store.manifest(ArtifactRef(stage=ref.stage, key=ref.key, digest="0" * 64))
    with pytest.raises(ArtifactError, match="no such table"):
        store.read(ref, "pairs")


@pytest.mark.parametrize(("status", "is_found"), [("passed", True), ("rejected", False)])
def test_a_rejected_artifact_is_not_reused(store, ref, status, is_found):
    verdict = Verdict(digest=ref.digest, status=status)
    (folder(store, ref) / "expectations.json").write_text(verdict.model_dump_json())
    assert (store.find(ref.stage, ref.key) is not None) == is_found


def test_a_verdict_on_other_content_says_nothing(store, ref):
    verdict = {"digest": "0" * 64, "status": "rejected"}
    (folder(store, ref) / "expectations.json").write_text(json.dumps(verdict))
    assert store.verdict(ref) is None
    assert store.find(ref.stage, ref.key) == ref


def test_clear_takes_the_manifest_first(store, ref):
    store.clear(ref.stage, ref.key)
    assert list(folder(store, ref).iterdir()) == []

import pytest

from lakebed.chain import CHAIN, STAGES, chosen_stages, find_reusable, gets_report, inputs_for, require_inputs
from lakebed.config import load_config
from lakebed.connectors.errors import ConfigError, StageError
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.definition import run_stage


def names(stages):
    return [stage.name for stage in stages]


def test_every_stage_requires_only_what_comes_before():
    for place, stage in enumerate(CHAIN):
        assert set(stage.requires) <= set(STAGES[:place])
        assert set(stage.may_lack) <= set(stage.requires)


def test_to_ends_the_chain():
    graph = ["lakegraph", "keys", "topics", "summary", "embeddings", "index"]
    assert names(chosen_stages()) == ["inventory", "containment", "relations", "retention", *graph]
    assert names(chosen_stages(to="links")) == [*names(chosen_stages()), "links"]
    assert names(chosen_stages(to="inventory")) == ["inventory"]
    assert names(chosen_stages(to="containment")) == ["inventory", "containment"]


def test_only_keeps_what_the_stage_reads():
    assert names(chosen_stages(only="inventory")) == ["inventory"]
    assert names(chosen_stages(only="containment")) == ["inventory", "containment"]


@pytest.mark.parametrize("choice", [{"to": "retentoin"}, {"only": "x"}, {"to": "inventory", "only": "inventory"}])
def test_a_wrong_choice_is_a_typed_error(choice):
    with pytest.raises(ConfigError):
        chosen_stages(**choice)


def test_the_stages_are_named_where_one_does_not_exist():
    with pytest.raises(ConfigError) as caught:
        chosen_stages(to="nope")
    assert caught.value.value == "nope"
    assert "inventory, containment" in caught.value.expected


def test_only_needs_its_inputs():
    with pytest.raises(StageError, match="not there") as caught:
        require_inputs(chosen_stages(only="containment"), "containment")
    assert caught.value.value == "inventory"
    assert "--to containment" in caught.value.hint
    require_inputs(chosen_stages(only="containment")[1:], "containment")
    require_inputs(CHAIN, None)


@pytest.mark.parametrize("vectors", ["gnn", "stack"])
def test_an_index_of_trained_vectors_comes_after_what_trains_them(vectors):
    config = load_config(None, {"lake": {"root": "lake"}, "index": {"vectors": vectors}})
    assert names(chosen_stages(config=config))[-3:] == ["embeddings", "links", "index"]
    assert names(chosen_stages(to="links", config=config))[-2:] == ["embeddings", "links"]
    assert "links" in names(chosen_stages(only="index", config=config))
    plain = load_config(None, {"lake": {"root": "lake"}})
    assert chosen_stages(config=plain) == chosen_stages()
    assert "links" not in names(chosen_stages(only="index", config=plain))


@pytest.mark.parametrize(
    ("to", "only", "expected"),
    [(None, None, True), ("containment", None, True), ("inventory", None, False), (None, "containment", False)],
)
def test_a_run_that_reaches_containment_gets_a_report(to, only, expected):
    assert gets_report(to, only) is expected


def test_what_is_there_is_found_up_to_the_first_gap(parquet_lake, tmp_path):
    config = load_config(None, {"lake": {"root": str(parquet_lake)}, "artifacts": str(tmp_path / "a")})
    assert find_reusable(CHAIN, inputs_for(config)) == {}
    made = run_stage(INVENTORY, inputs_for(config))
    assert find_reusable(CHAIN, inputs_for(config)) == {"inventory": made}
    (parquet_lake / "names.parquet").unlink()
    assert find_reusable(CHAIN, inputs_for(config)) == {}


def key(stage, inputs):
    with stage.hold(inputs) as held:
        return stage.open(held).key


def test_the_key_changes_with_what_a_stage_depends_on_and_nothing_else(parquet_lake, tmp_path):
    base = {"lake": {"root": str(parquet_lake)}, "artifacts": str(tmp_path / "a")}
    config = load_config(None, base)
    inventory = run_stage(INVENTORY, inputs_for(config))

    def keys(**changes):
        changed = load_config(None, {**base, **changes})
        # a stage's key needs the digests of what it reads, whatever made them
        refs = {name: inventory.model_copy(update={"stage": name}) for name in STAGES} | {"inventory": inventory}
        return {stage.name: key(stage, inputs_for(changed, "other run").with_refs(refs)) for stage in CHAIN}

    def changed_by(**changes):
        after = keys(**changes)
        return {name for name in STAGES if after[name] != before[name]}

    before = keys()
    assert keys(report={}) == before
    assert keys(artifacts=str(tmp_path / "a") + "/") == before
    assert keys(spark={"driver_memory_mib": 700}) == before
    assert changed_by(inventory={"max_driver_footers": 3}) == {"inventory"}
    assert changed_by(containment={"semantics": "bag"}) >= {"containment"}
    assert "inventory" not in changed_by(containment={"semantics": "bag"})
    assert changed_by(retention={"prices": {"storage_per_gb_month": 1.0}}) == {"retention"}
    assert changed_by(lakegraph={"values_per_column": 99}) == {"lakegraph"}
    assert changed_by(keys={"model": "rule"}) == {"keys", "topics"}
    assert changed_by(keys={"min_chance": 0.5}) == {"keys"}
    assert changed_by(topics={"min_chance": 0.5}) == {"topics"}
    assert changed_by(summary={"iterations": 3}) == {"summary"}
    assert changed_by(summary={"threads": 3}) == set()
    assert changed_by(embeddings={"dim": 32}) == {"embeddings"}
    assert changed_by(index={"links": 7}) == {"index"}
    assert changed_by(links={"n_tails": 7}) == {"links"}
    assert changed_by(links={"gnn": {"allow_drift": True}}) == set()
    assert changed_by(index={"vectors": "gnn"}) == {"index"}

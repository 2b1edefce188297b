from importlib import import_module
from inspect import signature

import pytest

from lakebed.chain import CHAIN, STAGES, chosen_links, find_reusable, gets_report, require_inputs
from lakebed.config import load_config
from lakebed.connectors.errors import ConfigError, StageError
from lakebed.tasks.inventory.stage import run_inventory


def names(links):
    return [link.name for link in links]


def test_every_link_requires_only_what_comes_before():
    for place, link in enumerate(CHAIN):
        assert set(link.requires) <= set(STAGES[:place])


def test_every_stage_has_a_task_and_a_plain_call_of_the_same_arguments():
    for link in CHAIN:
        task = getattr(import_module(f"lakebed.tasks.{link.name}.task"), f"build_{link.name}")
        call = getattr(import_module(f"lakebed.tasks.{link.name}.stage"), f"run_{link.name}")
        assert list(signature(task.fn).parameters) == list(signature(call).parameters)


def test_to_ends_the_chain():
    graph = ["lakegraph", "summary", "embeddings", "index"]
    assert names(chosen_links()) == ["inventory", "containment", "relations", "retention", *graph]
    assert names(chosen_links(to="links")) == [*names(chosen_links()), "links"]
    assert names(chosen_links(to="inventory")) == ["inventory"]
    assert names(chosen_links(to="containment")) == ["inventory", "containment"]


def test_only_keeps_what_the_stage_reads():
    assert names(chosen_links(only="inventory")) == ["inventory"]
    assert names(chosen_links(only="containment")) == ["inventory", "containment"]


@pytest.mark.parametrize("choice", [{"to": "retentoin"}, {"only": "x"}, {"to": "inventory", "only": "inventory"}])
def test_a_wrong_choice_is_a_typed_error(choice):
    with pytest.raises(ConfigError):
        chosen_links(**choice)


def test_the_stages_are_named_where_one_does_not_exist():
    with pytest.raises(ConfigError) as caught:
        chosen_links(to="nope")
    assert caught.value.value == "nope"
    assert "inventory, containment" in caught.value.expected


def test_only_needs_its_inputs():
    with pytest.raises(StageError, match="not there") as caught:
        require_inputs(chosen_links(only="containment"), "containment")
    assert caught.value.value == "inventory"
    assert "--to containment" in caught.value.hint
    require_inputs(chosen_links(only="containment")[1:], "containment")
    require_inputs(CHAIN, None)


@pytest.mark.parametrize("vectors", ["gnn", "stack"])
def test_an_index_of_trained_vectors_comes_after_what_trains_them(vectors):
    config = load_config(None, {"lake": {"root": "lake"}, "index": {"vectors": vectors}})
    assert names(chosen_links(config=config))[-3:] == ["embeddings", "links", "index"]
    assert names(chosen_links(to="links", config=config))[-2:] == ["embeddings", "links"]
    assert "links" in names(chosen_links(only="index", config=config))
    plain = load_config(None, {"lake": {"root": "lake"}})
    assert chosen_links(config=plain) == chosen_links()
    assert "links" not in names(chosen_links(only="index", config=plain))


@pytest.mark.parametrize(
    ("to", "only", "expected"),
    [(None, None, True), ("containment", None, True), ("inventory", None, False), (None, "containment", False)],
)
def test_a_run_that_reaches_containment_gets_a_report(to, only, expected):
    assert gets_report(to, only) is expected


def test_what_is_there_is_found_up_to_the_first_gap(parquet_lake, tmp_path):
    config = load_config(None, {"lake": {"root": str(parquet_lake)}, "artifacts": str(tmp_path / "a")})
    workspace = config.workspace()
    assert find_reusable(CHAIN, workspace, config) == {}
    made = run_inventory(workspace, config.inventory)
    assert find_reusable(CHAIN, workspace, config) == {"inventory": made}
    (parquet_lake / "names.parquet").unlink()
    assert find_reusable(CHAIN, workspace, config) == {}


def test_the_key_changes_with_what_a_stage_depends_on_and_nothing_else(parquet_lake, tmp_path):
    base = {"lake": {"root": str(parquet_lake)}, "artifacts": str(tmp_path / "a")}
    config = load_config(None, base)
    inventory = run_inventory(config.workspace(), config.inventory)

    def keys(**changes):
        changed = load_config(None, {**base, **changes})
        # a stage's key needs the digests of what it reads, whatever made them
        refs = {name: inventory.model_copy(update={"stage": name}) for name in STAGES} | {"inventory": inventory}
        return {link.name: link.open(refs, changed.workspace("other run"), changed).key for link in CHAIN}

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
    assert changed_by(summary={"iterations": 3}) == {"summary"}
    assert changed_by(summary={"threads": 3}) == set()
    assert changed_by(embeddings={"dim": 32}) == {"embeddings"}
    assert changed_by(index={"links": 7}) == {"index"}
    assert changed_by(links={"n_tails": 7}) == {"links"}
    assert changed_by(links={"gnn": {"allow_drift": True}}) == set()
    assert changed_by(index={"vectors": "gnn"}) == {"index"}

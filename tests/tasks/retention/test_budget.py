"""A run that is cut short, or killed, is gone on with, and ends where an uncut one does."""

import json
from pathlib import Path

import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention import previous
from lakebed.tasks.retention.build import ROWS_FOLDER, Deadline, decide, make_recipes
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.previous import Known, load_known
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.stage import RETENTION
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.definition import Inputs
from tests.tasks.retention.lakes import (
    BASE,
    TABLES,
    by_name,
    contained_lake,
    decide_here,
    make_here,
    without_memory,
)

ODD = BASE.take([row for row in range(400) if row * row % 7 in (1, 2)])


class Killed(BaseException):
    """Stands for a signal."""


@pytest.fixture
def lake(tmp_path: Path):
    return contained_lake(tmp_path, {**TABLES, "odd": ODD})


def run(lake, n_trials: int, tried: list, *, is_killed: bool = False, config: RetentionConfig | None = None):
    """The stage with time for so many trials, after which it is cut short, or killed."""
    workspace, *refs = lake
    stage = RETENTION.open(Inputs.of(workspace, *refs, config or RetentionConfig()))
    assert stage.reuse() is None
    context = RecipeContext.of(workspace, f"{stage.folder}/{ROWS_FOLDER}", ContainmentConfig())
    known = load_known(stage, context)

    def make(pairs):
        for pair in pairs:
            if len(tried) >= n_trials and is_killed:
                raise Killed
            if len(tried) >= n_trials:
                yield None
                continue
            tried.append(pair.child.name)
            (outcome,) = make_here(context, (), [pair])
            known.note(pair, outcome)
            yield outcome

    return decide(stage, RetentionConfig(), context, lambda pairs: list(make(pairs)), known)


def kept_trials(lake) -> list[Path]:
    return list(Path(lake[0].artifacts).glob("checkpoints/retention/*/trials.json"))


def test_the_next_run_goes_on_where_the_budget_cut_and_ends_as_an_uncut_one(lake) -> None:
    store, whole = decide_here((without_memory(lake[0]), *lake[1:]))
    n_tables = store.manifest(whole).summary["recipes_tried"]
    first, second = [], []
    cut = run(lake, 2, first)
    store = ArtifactStore(lake[0].artifacts)
    manifest = store.manifest(cut)
    decisions = by_name(store, cut)
    late = {name for name, row in decisions.items() if row["reason"] == "not_yet_verified"}
    assert not manifest.is_whole and cut.key == whole.key
    assert len(late) == manifest.summary["tables_not_yet_verified"] == n_tables - 2
    assert {name for name, row in decisions.items() if row["decision"] == "delete"} == set(first)
    assert all("trial_budget_s" in decisions[name]["why"] for name in late)
    assert late == {row["child"] for row in statuses(store, cut) if row["status"] == "not_yet_verified"}
    # those that save most come first
    assert min(decisions[name]["n_bytes"] for name in first) >= max(decisions[name]["n_bytes"] for name in late)
    assert kept_trials(lake)
    again = run(lake, 100, second)
    assert again == whole
    assert len(first) + len(second) == n_tables and not set(first) & set(second)
    assert store.manifest(again).is_whole and not kept_trials(lake)


def statuses(store: ArtifactStore, ref: ArtifactRef) -> list:
    return store.read(ref, "options").to_pylist()


def test_a_killed_run_has_kept_its_trials_and_their_row_numbers(lake, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = decide_here((without_memory(lake[0]), *lake[1:]))
    monkeypatch.setattr(previous, "_SAVE_EVERY_S", 0.0)
    first, second = [], []
    with pytest.raises(Killed):
        run(lake, 5, first, is_killed=True)
    (kept,) = kept_trials(lake)
    saved = {json.loads(outcome)["child"] for outcome in json.loads(kept.read_bytes()).values()}
    assert saved and saved <= set(first)
    again = run(lake, 100, second)
    assert again == whole
    assert by_name(ArtifactStore(lake[0].artifacts), again, "rebuilds")["odd"]["shape"] == "positions"
    assert not saved & set(second)
    assert not kept_trials(lake)


def test_damaged_trials_are_made_again(lake, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = run(lake, 2, [])
    (kept,) = kept_trials(lake)
    kept.write_bytes(b"{")
    second = []
    again = run(lake, 100, second)
    assert again.digest != cut.digest and len(second) > 5


def test_the_budget_is_in_no_key_and_no_trial_is_begun_after_it(lake) -> None:
    workspace, *refs = lake
    keys = {
        RETENTION.open(Inputs.of(workspace, *refs, RetentionConfig(trial_budget_s=seconds))).key
        for seconds in (0.0, 1.0, 1e6)
    }
    assert len(keys) == 1
    context = RecipeContext.of(workspace, "", ContainmentConfig())
    assert make_recipes(workspace, Known(context, {}), Deadline(1.0), []) == []
    assert Deadline(0.0).until() == 0.0
    deadline = Deadline(5.0)
    assert deadline.until() == deadline.until() > 5.0
